"""Loggers of bot frameworks. Adding one takes its module, a line here, its importer, and its test."""

from ingest.bots.base import BotLogger
from ingest.bots.bot_framework import BotFrameworkLogger
from ingest.bots.dialogflow import DialogflowLogger
from ingest.bots.langfuse import LangfuseLogger
from ingest.bots.openai_chat import OpenAiChatLogger
from ingest.bots.rasa import RasaLogger

_ALL: tuple[BotLogger, ...] = (
    OpenAiChatLogger(),
    RasaLogger(),
    BotFrameworkLogger(),
    LangfuseLogger(),
    DialogflowLogger(),
)

LOGGERS: dict[str, BotLogger] = {each.name: each for each in _ALL}
"""The loggers by the name of their path."""
