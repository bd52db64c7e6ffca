"""Errors of channel accounts and of providers' calls."""

from ingest.errors import EventRejectedError, IngestError


class UnknownAccountError(IngestError):
    """No channel account has this id, or it is disabled."""

    status = 404
    code = "unknown_account"
    title = "Unknown channel account"


class AccountExistsError(IngestError):
    """Another channel account has this id. Nothing was stored."""

    status = 409
    code = "account_exists"
    title = "The channel account exists"


class UnverifiedCallError(IngestError):
    """A call is not proven to be the provider's. Nothing of it was stored; `convolake channels test` counts it."""

    status = 401
    code = "unverified_call"
    title = "The call is not verified"


class FailedChallengeError(IngestError):
    """The call that checks the URL does not have the account's token."""

    status = 403
    code = "failed_challenge"
    title = "The check of the URL failed"


class RejectedCallError(EventRejectedError):
    """A verified call of a provider, or a part of it, cannot be read. It is kept and can be replayed."""

    status = 422
    code = "unreadable_call"
    title = "The provider's call cannot be read"
