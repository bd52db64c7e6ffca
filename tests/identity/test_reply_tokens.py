"""Reply tokens: a reply finds its conversation without the Message-ID, and a bare subject does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.channels import reply_tokens

IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@given(IDS, st.emails(), st.text(max_size=60))
def test_a_token_is_found_in_the_address_and_in_the_subject(
    conversation_id: str, address: str, subject: str
) -> None:
    token = reply_tokens.reply_token(conversation_id)
    key = reply_tokens.token_key(token)

    assert reply_tokens.key_of_recipient(reply_tokens.reply_address(address, token)) == key
    marked = reply_tokens.subject_with_token(subject, token)
    assert reply_tokens.key_of_subject(f"AW: Re: {marked.upper()}") == key
    assert reply_tokens.subject_with_token(marked, token) == marked


@pytest.mark.parametrize("subject", ["", "Re: Your order", "[#4711] Your order", "[#]", "[#abc]"])
def test_a_subject_without_a_token_names_no_conversation(subject: str) -> None:
    assert reply_tokens.key_of_subject(subject) is None


def test_an_address_without_a_token_names_no_conversation() -> None:
    assert reply_tokens.key_of_recipient("help@shop.example") is None
    assert reply_tokens.key_of_recipient("help+sale@shop.example") is None
