"""Page list and navigation, nothing else. Run it as `streamlit run dashboards/app.py`.

Each page is a package with a `page.py`. A folder called `pages/` would make Streamlit build a second
navigation, and a link to a transcript would open there.
"""

import streamlit as st

st.set_page_config(page_title="Convolake", page_icon=":material/forum:", layout="wide")
st.navigation(
    [
        st.Page("overview/page.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page(
            "conversations/page.py",
            title="Conversations",
            icon=":material/forum:",
            url_path="conversations",
        ),
        st.Page(
            "handoffs/page.py",
            title="Handoffs",
            icon=":material/support_agent:",
            url_path="handoffs",
        ),
        st.Page(
            "metrics/page.py", title="Metrics", icon=":material/functions:", url_path="metrics"
        ),
        st.Page(
            "health/page.py", title="Health", icon=":material/monitor_heart:", url_path="health"
        ),
    ],
    position="top",
).run()
