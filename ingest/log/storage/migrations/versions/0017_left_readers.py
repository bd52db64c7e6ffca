"""A conversation keeps how far participants had read who left.

The states of conversations are derived, so their table is emptied, if anybody has read and anybody has left.
The API rebuilds it from the log when it starts.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty the table, if a state may lack something."""
    op.execute(
        """
        delete from conversations
        where exists (select 1 from events where event_type = 'participant.left')
            and exists (select 1 from events where event_type = 'participant.read_advanced')
        """
    )
