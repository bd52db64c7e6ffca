"""Page list and navigation, nothing else. Run it as `streamlit run dashboards/app.py`."""

import streamlit as st

st.set_page_config(page_title="Convolake", page_icon=":material/forum:", layout="wide")
st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page(
            "pages/conversations.py",
            title="Conversations",
            icon=":material/forum:",
            url_path="conversations",
        ),
    ],
    position="top",
).run()
