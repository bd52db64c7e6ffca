"""Importers of other systems' files. Adding one takes its module, a line here, and its test."""

from ingest.bots import LOGGERS
from ingest.bots.langfuse import arrange
from ingest.importers.base import Importer
from ingest.importers.bot_logs import BotLogImporter
from ingest.importers.chat_text import ChatTextImporter
from ingest.importers.chatwoot import ChatwootImporter
from ingest.importers.csv_table import CsvImporter
from ingest.importers.dialog_studio import DialogStudioImporter
from ingest.importers.instagram import InstagramImporter
from ingest.importers.intercom import IntercomImporter
from ingest.importers.irc import IrcImporter
from ingest.importers.jsonl import JsonlImporter
from ingest.importers.mail_files import MailImporter
from ingest.importers.multidogo import MultidogoImporter
from ingest.importers.slack_export import SlackImporter
from ingest.importers.star import StarImporter
from ingest.importers.taskmaster import TaskmasterImporter
from ingest.importers.telegram import TelegramImporter
from ingest.importers.zendesk import ZendeskImporter

IMPORTERS: tuple[Importer, ...] = (
    JsonlImporter(),
    CsvImporter(),
    StarImporter(),
    ChatTextImporter("whatsapp", "Import WhatsApp chats (“export chat”, .txt)."),
    ChatTextImporter("signal", "Import Signal chats exported as text."),
    SlackImporter(),
    TelegramImporter(),
    InstagramImporter(),
    IrcImporter(),
    MailImporter(),
    IntercomImporter(),
    ZendeskImporter(),
    ChatwootImporter(),
    MultidogoImporter(),
    TaskmasterImporter(),
    DialogStudioImporter(),
    BotLogImporter(LOGGERS["openai-chat"], "chats, .jsonl or .json"),
    BotLogImporter(LOGGERS["dialogflow"], "fulfillment requests, .json or .jsonl"),
    BotLogImporter(LOGGERS["langfuse"], "traces with observations, .json or .jsonl", arrange),
    BotLogImporter(LOGGERS["rasa"], "events or trackers, .jsonl or .json"),
    BotLogImporter(
        LOGGERS["botframework"], "transcripts or activities, .transcript, .json or .jsonl"
    ),
)
