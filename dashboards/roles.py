"""Who may do what on the dashboard: the one place that states it.

Roles are in order: each may do what the one before it may, and more.

What a role reads of personal data (emails, phone and card numbers, by the patterns of `dashboards.masking`):

- A viewer and a reviewer read transcripts, the list of conversations and the conversations of a review masked. Ids of
  conversations and contacts are masked too where they have the form of personal data. Words are searched in the whole
  text, so a search can tell whether a number that the user knows is on record. Each search is an audit event. The
  address of an opened transcript has the conversation's own id.
- A reviewer on the desk reads the messages there without masks: an agent needs them to answer.
- An analyst reads the same pages masked, but files and SQL have the record as it is. Both are audit events. The
  table of who sees what is for admins. A person who may read the files of the warehouse, such as with
  `convolake sql` on the server, reads that table too: only the rights of the files protect it.
- An admin lifts the masks of a transcript, and reads rejected events as they came. Both are audit events.
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
    "contact.merge",
    "export.download",
    "sql.query",
    "health.read",
    "audit.read",
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
    "contact.merge": Rule("reviewer", "decide whether two contacts are one person"),
    "export.download": Rule("analyst", "download rows as files"),
    "sql.query": Rule("analyst", "query the warehouse with SQL"),
    "health.read": Rule("admin", "see the health of the installation, and rejected events"),
    "audit.read": Rule("admin", "query who saw what with SQL"),
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
