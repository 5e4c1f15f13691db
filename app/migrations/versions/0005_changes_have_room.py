"""Changes have room beside them to be leased in place, and timeline lines of no event no key to be unique by."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = "uq_timeline_entries_event_id_ordinal"


def upgrade() -> None:
    # A row that is leased is written anew. On a full page it goes elsewhere, with a new entry in both indexes.
    op.execute("ALTER TABLE changes SET (fillfactor = 45)")
    op.drop_constraint(NAME, "timeline_entries", type_="unique")
    op.execute(
        f"CREATE UNIQUE INDEX {NAME} ON timeline_entries (event_id, ordinal) WHERE event_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute(f"DROP INDEX {NAME}")
    op.create_unique_constraint(NAME, "timeline_entries", ["event_id", "ordinal"])
    op.execute("ALTER TABLE changes RESET (fillfactor)")
