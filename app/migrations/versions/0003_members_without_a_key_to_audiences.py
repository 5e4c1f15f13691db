"""Members need no lock on their audience: a trigger on audiences keeps those that have members."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The foreign key from members would take a lock on the audience's one row for each of thousands of members: a sixth of all
# that writing them costs. What it guards against is the deletion of an audience that has members.
KEEP_AUDIENCES = """
CREATE FUNCTION keep_audiences_with_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM members WHERE audience_id = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'The audience has members: they would be forgotten.';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER keep_audiences_with_members BEFORE DELETE OR UPDATE OF id ON audiences
    FOR EACH ROW EXECUTE FUNCTION keep_audiences_with_members();
"""


def upgrade() -> None:
    op.execute(KEEP_AUDIENCES)
    op.drop_constraint("fk_members_audience_id", "members", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key("fk_members_audience_id", "members", "audiences", ["audience_id"], ["id"])
    op.execute("DROP FUNCTION keep_audiences_with_members CASCADE")
