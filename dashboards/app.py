"""The application: admits the user, then runs the page. Run it as `streamlit run dashboards/app.py`.

Each page is a package with a `page.py`; `pages.py` lists them. A folder called `pages/` would make Streamlit
build a second navigation, and a link to a transcript would open there.
"""

from pathlib import Path

import streamlit as st

from dashboards import access, audit, page_layout, pages

# A file: the browser would fetch a named icon from another host.
ICON = str(Path(__file__).parent / "icon.svg")

st.set_page_config(page_title="Convolake", page_icon=ICON, layout="wide")
st.html(page_layout.STYLE)
user = access.admit()
page = st.navigation(pages.navigation(user), position="top")
with audit.page_run():
    page.run()
