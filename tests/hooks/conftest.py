"""An API with two conversations, and a hook that allows."""

import pytest

from tests.api_server import Installation
from tests.factories import make_conversation
from tests.hooks.calls import hook_answer
from tests.webhook_receiver import Receiver


@pytest.fixture
def receiver(receiver: Receiver) -> Receiver:
    receiver.answer = hook_answer("allow")
    return receiver


@pytest.fixture
def opened(installation: Installation) -> Installation:
    """An API with conversation c1 of ada, a customer, and helper, a bot; c2 is the same by email."""
    installation.post_events(
        make_conversation(messages=2) + make_conversation("c2", 2, channel="email")
    )
    return installation
