"""Error answers of the Graph API."""

from typing import Any


class MetaError(Exception):
    """An error answer of the Graph API."""

    def __init__(self, code: int, subcode: int | None = None, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.subcode, self.status = code, subcode, status

    def body(self) -> dict[str, Any]:
        fields = {"message": f"(#{self.code})", "type": "OAuthException", "code": self.code}
        return fields | ({"error_subcode": self.subcode} if self.subcode else {})


def demand(condition: object, code: int = 100) -> None:
    if not condition:
        raise MetaError(code)
