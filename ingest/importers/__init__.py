"""Importers of other systems' files. Adding one takes its module, a line here, and its test."""

from ingest.importers.base import Importer
from ingest.importers.chat_text import ChatTextImporter
from ingest.importers.instagram import InstagramImporter
from ingest.importers.irc import IrcImporter
from ingest.importers.jsonl import JsonlImporter
from ingest.importers.slack_export import SlackImporter
from ingest.importers.star import StarImporter
from ingest.importers.telegram import TelegramImporter

IMPORTERS: tuple[Importer, ...] = (
    JsonlImporter(),
    StarImporter(),
    ChatTextImporter("whatsapp", "Import WhatsApp chats (“export chat”, .txt)."),
    ChatTextImporter("signal", "Import Signal chats exported as text."),
    SlackImporter(),
    TelegramImporter(),
    InstagramImporter(),
    IrcImporter(),
)
