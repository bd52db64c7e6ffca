"""Messenger (Meta): a Facebook page's messages."""

from ingest.channels.addresses import page_scoped_id
from ingest.channels.meta.graph import GRAPH_FACEBOOK
from ingest.channels.meta.messenger.outbound import Limits
from ingest.channels.meta.messenger.platform import MessengerPlatform
from ingest.channels.text_split import characters


class Messenger(MessengerPlatform):
    """A Facebook page. People are known by an id that is unique within the page."""

    provider = "messenger"
    title = "Messenger"
    channels: tuple[str, ...] = ("messenger",)
    inbound_kinds: tuple[str, ...] = (
        *("text", "image", "audio", "video", "file", "location", "link", "quick reply"),
        *("postback", "echo", "edit", "reaction", "delivery", "read", "referral", "opt-in"),
        *("handover", "standby"),
    )
    webhook_object = "page"
    limits = Limits(
        "page_scoped_id",
        2000,
        characters,
        GRAPH_FACEBOOK,
        has_metadata=True,
        name_fields="first_name,last_name",
    )


ADAPTER = Messenger(page_scoped_id)
