"""Instagram messaging (Meta): the direct messages of a professional account."""

from ingest.channels.addresses import instagram_id
from ingest.channels.meta.graph import GRAPH_INSTAGRAM
from ingest.channels.meta.messenger.outbound import Limits
from ingest.channels.meta.messenger.platform import MessengerPlatform
from ingest.channels.text_split import utf8_bytes


class Instagram(MessengerPlatform):
    """A professional account. People are known by an id that is unique within the account."""

    provider = "instagram"
    title = "Instagram"
    channels: tuple[str, ...] = ("instagram",)
    inbound_kinds: tuple[str, ...] = (
        *("text", "image", "audio", "video", "share", "story reply", "story mention"),
        *("unsupported attachment", "quick reply", "postback", "echo", "edit", "deletion"),
        *("reaction", "seen", "referral"),
    )
    webhook_object = "instagram"
    limits = Limits(
        "instagram_id",
        1000,
        utf8_bytes,
        GRAPH_INSTAGRAM,
        has_metadata=False,
        name_fields="name,username",
    )


ADAPTER = Instagram(instagram_id)
