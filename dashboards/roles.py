"""Who may do what on the dashboard: the one place that states it.

Roles are in order: each may do what the one before it may, and more.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from ingest.settings import Role as Role

ROLES: tuple[Role, ...] = get_args(Role)

Permission = Literal[
    "figures.read",
    "transcript.read",
    "review.write",
    "desk.use",
    "export.download",
    "sql.query",
    "health.read",
    "mask.lift",
]


@dataclass(frozen=True)
class Rule:
    """The lowest role that has a permission, and what the permission allows, as a verb phrase."""

    lowest: Role
    allows: str


RULES: dict[Permission, Rule] = {
    "figures.read": Rule("viewer", "see the figures"),
    "transcript.read": Rule("viewer", "find conversations and read their transcripts, masked"),
    "review.write": Rule("reviewer", "review conversations"),
    "desk.use": Rule("reviewer", "take handoffs and answer on the agent desk"),
    "export.download": Rule("analyst", "download rows as files"),
    "sql.query": Rule("analyst", "query the warehouse with SQL"),
    "health.read": Rule("admin", "see the health of the installation, and rejected events"),
    "mask.lift": Rule("admin", "lift the masks of personal data in transcripts"),
}


@dataclass(frozen=True)
class User:
    """Who uses the dashboard. `name` is an id of the record: visible ASCII. Without a role: nothing is shown."""

    name: str
    role: Role | None

    def may(self, permission: Permission) -> bool:
        """Return whether the user's role has `permission`."""
        return self.role is not None and self.role in roles_with(permission)


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """Return the roles that have `permission`, the lowest first."""
    return ROLES[ROLES.index(RULES[permission].lowest) :]
