"""Contacts are kept for ever, which a trigger sees to; members and timeline lines need no lock on theirs."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A merged contact leads to another, an erased one is an empty row that keeps them out: neither ever goes. The two foreign keys
# guarded against that alone, and cost a lock and a line of the write-ahead log for each member and each line: a fifth of all that
# PostgreSQL does in a push.
KEEP_CONTACTS = """
CREATE FUNCTION keep_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = 'Contacts are kept: what others hold of them would be nobody''s.',
        HINT = 'muster contacts erase removes all that is known of a person.';
END $$;
CREATE TRIGGER keep_contacts BEFORE DELETE OR UPDATE OF id ON contacts
    FOR EACH ROW EXECUTE FUNCTION keep_contacts();
"""
KEYS = {"fk_members_contact_id": "members", "fk_timeline_entries_contact_id": "timeline_entries"}


def upgrade() -> None:
    op.execute(KEEP_CONTACTS)
    for name, table in KEYS.items():
        op.drop_constraint(name, table, type_="foreignkey")


def downgrade() -> None:
    for name, table in KEYS.items():
        op.create_foreign_key(name, table, "contacts", ["contact_id"], ["id"])
    op.execute("DROP FUNCTION keep_contacts CASCADE")
