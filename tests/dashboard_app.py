"""The dashboard in this process, and what a page of it shows."""

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parent.parent / "dashboards" / "app.py"


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    return {each.label: (each.value, each.delta) for each in app.metric}


def messages_of(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.info, *app.warning, *app.error))


def texts(app: AppTest) -> list[str]:
    """What `st.text` shows, without the marks that keep directions apart."""
    return [re.sub("[\u2068\u2069]", "", each.value) for each in app.text]
