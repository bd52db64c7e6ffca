"""Meta: WhatsApp, Messenger and Instagram. They share the Graph API, the signature and the shape of bodies."""
