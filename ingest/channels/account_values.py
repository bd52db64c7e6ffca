"""What a person entered for an account: its secrets, newest first, and its options."""

from ingest.channels.base import Account


def secrets_of(account: Account, name: str) -> list[str]:
    """Return the values of a secret, newest first. A blank one proves nothing, so it is left out."""
    return [each for each in account.secrets.get(name, ()) if each.strip()]


def newest_secret(account: Account, name: str) -> str:
    """Return the newest value of a secret, or an empty text."""
    return next(iter(secrets_of(account, name)), "")


def uploads_files(account: Account) -> bool:
    """Return whether files go out as such; else their URLs do."""
    return account.options.get("media") == "upload"


def api_url(account: Account, default: str) -> str:
    """Return the base URL of the provider's API without a slash at its end."""
    return (account.options.get("api_url") or default).rstrip("/")
