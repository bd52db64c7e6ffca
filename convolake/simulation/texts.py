"""Texts of simulated messages, each different from all others."""

from random import Random

SENTENCES = (
    "Where is my order?",
    "The parcel is damaged 📦💔",
    "שלום, איפה ההזמנה שלי\u200f?",
    "مرحبا\u200c، أين طلبي؟",
    "注文はどこですか？漢字かな한글",
    "Zero\u200bwidth, joined 👩🏽\u200d🚀 and decomposed e\u0301",
    "Two lines:\n  the second one begins with spaces",
    "<b>bold</b> & *stars* _lines_ %s {0} \\ ' \" ;--",
    "+49 30 1234 is not a number=1&Body=other",
    "🇩🇪 Straße, naïve, œuvre, ½ × 3 ≠ 2",
)
"""What people write: right-to-left scripts, emoji, hidden characters, and what forms and templates escape."""


def text_of(random: Random, key: str) -> str:
    """Return a text that names `key`, so that no two messages have the same one."""
    return f"{random.choice(SENTENCES)} [{key}]"
