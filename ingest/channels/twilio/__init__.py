"""Twilio: SMS, WhatsApp, RCS and Messenger."""
