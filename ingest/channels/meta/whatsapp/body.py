"""The parts of a WhatsApp Cloud webhook, as Meta's «Webhooks reference» documents them (August 2026).

Every field that an item does not need may be missing: `from`, `wa_id` and `recipient_id` are omitted for
people who hide their phone number («Business-scoped user IDs»).
"""

from msgspec import Raw, Struct, field

from ingest.channels.meta.body import Name


class Change(Struct):
    """A change of an entry: `field` is the webhook field, `value` depends on it."""

    value: Raw
    field: str


class Value(Struct):
    """The value of a change with messages, statuses or echoes."""

    metadata: "Metadata | None" = None
    contacts: list[Raw] = []
    messages: list[Raw] = []
    statuses: list[Raw] = []
    errors: list[Raw] = []
    message_echoes: list[Raw] = []
    user_id_update: list[Raw] = []


class Metadata(Struct):
    """Which of the business's numbers the change is for."""

    display_phone_number: Name | None = None


class Profile(Struct):
    """The name and the username that a person chose."""

    name: str | None = None
    username: str | None = None


class Contact(Struct):
    """A person whom the value names."""

    wa_id: Name | None = None
    user_id: Name | None = None
    parent_user_id: Name | None = None
    profile: Profile | None = None


class Body(Struct):
    """A text."""

    body: str | None = None


class Media(Struct):
    """A file; the media API gives it by its id for 30 days."""

    id: Name | None = None
    mime_type: str | None = None
    caption: str | None = None
    filename: str | None = None


class Location(Struct):
    """A place. `url` is given for a business."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class CardName(Struct):
    """The name on a contact card."""

    formatted_name: str | None = None


class Card(Struct):
    """A contact card."""

    name: CardName | None = None


class Reaction(Struct):
    """A reaction; without an emoji it is removed."""

    message_id: Name
    emoji: str | None = None


class Product(Struct):
    """A line of an order."""

    product_retailer_id: Name | None = None
    quantity: int | float | str | None = None


class Order(Struct):
    """A cart of products from a catalogue."""

    text: str | None = None
    product_items: list[Product] = []


class Button(Struct):
    """A tap on a quick reply of a template."""

    text: str | None = None
    payload: str | None = None


class Reply(Struct):
    """The chosen button or row, or the summary of a completed flow."""

    title: str | None = None
    body: str | None = None


class Interactive(Struct):
    """An answer to an interactive message."""

    button_reply: Reply | None = None
    list_reply: Reply | None = None
    nfm_reply: Reply | None = None


class Context(Struct):
    """The message that is answered."""

    id: Name | None = None


class System(Struct):
    """A change of a person's number or business-scoped user id («System messages webhook reference»)."""

    type: str | None = None
    body: str | None = None
    customer: Name | None = None
    wa_id: Name | None = None
    new_wa_id: Name | None = None
    user_id: Name | None = None
    parent_user_id: Name | None = None
    previous_user_id: Name | None = None
    previous_parent_user_id: Name | None = None


class EditedMessage(Struct):
    """The content after an edit."""

    text: Body | None = None
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None


class Edit(Struct):
    """A changed message."""

    original_message_id: Name
    message: EditedMessage | None = None


class Revocation(Struct):
    """A deleted message."""

    original_message_id: Name


class Message(Struct, rename={"sender": "from"}):
    """A message or an echo; `type` says which of the other fields is given."""

    id: Name
    type: str = "unknown"
    timestamp: Name | None = None
    sender: Name | None = None
    from_user_id: Name | None = None
    from_parent_user_id: Name | None = None
    to: Name | None = None
    to_user_id: Name | None = None
    to_parent_user_id: Name | None = None
    group_id: Name | None = None
    context: Context | None = None
    text: Body | None = None
    image: Media | None = None
    audio: Media | None = None
    video: Media | None = None
    document: Media | None = None
    sticker: Media | None = None
    location: Location | None = None
    contacts: list[Card] = []
    reaction: Reaction | None = None
    order: Order | None = None
    button: Button | None = None
    interactive: Interactive | None = None
    system: System | None = None
    edit: Edit | None = None
    revoke: Revocation | None = None


class ErrorDetails(Struct):
    """The provider's explanation."""

    details: str | None = None


class Error(Struct):
    """Why a message failed."""

    code: Name | None = None
    title: str | None = None
    error_data: ErrorDetails | None = None


class Status(Struct):
    """The delivery state of a message that the business sent."""

    id: Name
    status: str
    timestamp: Name | None = None
    recipient_id: Name | None = None
    recipient_user_id: Name | None = None
    recipient_parent_user_id: Name | None = None
    recipient_type: str | None = None
    recipient_participant_id: Name | None = None
    recipient_participant_user_id: Name | None = None
    recipient_participant_parent_user_id: Name | None = None
    biz_opaque_callback_data: str | None = None
    errors: list[Error] = field(default_factory=list)


class Renamed(Struct):
    """An id before and after a change."""

    previous: Name | None = None
    current: Name | None = None


class UserIdUpdate(Struct):
    """A change of a business-scoped user id, as documented until August 2026."""

    user_id: Renamed | None = None
    parent_user_id: Renamed | None = None
    timestamp: Name | None = None
