"""Page list and navigation, nothing else. Run it as `streamlit run dashboards/app.py`.

The pages lie in `views/`: for a folder called `pages/` Streamlit would make a navigation of its
own, and a link to a transcript would open in that one until somebody has seen the start page.
"""

import streamlit as st

st.set_page_config(page_title="Convolake", page_icon=":material/forum:", layout="wide")
st.navigation(
    [
        st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page(
            "views/conversations.py",
            title="Conversations",
            icon=":material/forum:",
            url_path="conversations",
        ),
        st.Page(
            "views/health.py", title="Health", icon=":material/monitor_heart:", url_path="health"
        ),
    ],
    position="top",
).run()
