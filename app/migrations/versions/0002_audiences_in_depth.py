"""Audiences in depth (approval, guard, interests, reviews, runs with progress), messages, health of sources, pending logins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_logins",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_pending_logins")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("is_private", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("thread_id", sa.Text(), server_default="", nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("influence", sa.Double(), nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("source_id", "message_id", name=op.f("uq_messages_source_id_message_id")),
    )
    op.execute(
        "CREATE INDEX ix_events_message ON events (source_id, (content -> '$message' ->> 'id')) WHERE content ? '$message'"
    )
    op.create_index("ix_messages_contact", "messages", ["contact_id"], unique=False)
    op.create_index("ix_messages_event", "messages", ["event_id"], unique=False)
    op.create_table(
        "field_reviews",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("audience_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("ours", postgresql.JSONB(), nullable=True),
        sa.Column("theirs", postgresql.JSONB(), nullable=True),
        sa.Column("verdict", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("verdict in ('', 'ours', 'theirs')", name=op.f("ck_field_reviews_verdict")),
        sa.ForeignKeyConstraint(["audience_id"], ["audiences.id"], name=op.f("fk_field_reviews_audience_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_field_reviews_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_reviews")),
    )
    op.create_index(
        "ix_field_reviews_open",
        "field_reviews",
        ["audience_id", "contact_id", "tag"],
        unique=True,
        postgresql_where=sa.text("verdict = ''"),
    )
    op.add_column(
        "audiences", sa.Column("interests", postgresql.JSONB(), server_default="{}", nullable=False)
    )
    op.add_column(
        "audiences",
        sa.Column("marketing_permissions", postgresql.JSONB(), server_default="{}", nullable=False),
    )
    op.add_column("audiences", sa.Column("contact_id_field", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "audiences", sa.Column("on_return", sa.Text(), server_default="pending_once", nullable=False)
    )
    op.add_column("audiences", sa.Column("guard_share", sa.Double(), server_default="0.1", nullable=False))
    op.add_column(
        "audiences", sa.Column("keeps_activity", sa.Boolean(), server_default="false", nullable=False)
    )
    op.add_column("audiences", sa.Column("activity_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audiences", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audiences", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audiences", sa.Column("paused_code", sa.Text(), nullable=True))
    op.add_column("audiences", sa.Column("paused_reason", sa.Text(), nullable=True))
    op.add_column("audiences", sa.Column("reconciled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sources", sa.Column("health", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("sources", sa.Column("backfilled_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("destinations", sa.Column("login", sa.Text(), server_default="api_key", nullable=False))
    op.add_column(
        "destinations", sa.Column("account", postgresql.JSONB(), server_default="{}", nullable=False)
    )
    op.add_column("destinations", sa.Column("paused_code", sa.Text(), nullable=True))
    op.add_column("members", sa.Column("interests", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column(
        "members", sa.Column("marketing_permissions", postgresql.JSONB(), server_default="{}", nullable=False)
    )
    op.add_column(
        "members", sa.Column("theirs_changed", postgresql.JSONB(), server_default="{}", nullable=False)
    )
    op.add_column("members", sa.Column("asked_evidence_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_members_remote",
        "members",
        ["audience_id", "remote_contact_id"],
        unique=False,
        postgresql_where=sa.text("remote_contact_id <> ''"),
    )
    op.add_column("sync_runs", sa.Column("wish", sa.Text(), server_default="", nullable=False))
    op.add_column("sync_runs", sa.Column("actor", sa.Text(), server_default="muster", nullable=False))
    op.add_column("sync_runs", sa.Column("done_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("sync_runs", sa.Column("total_count", sa.Integer(), nullable=True))
    op.add_column("sync_runs", sa.Column("call_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("sync_runs", sa.Column("errors", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("sync_runs", sa.Column("findings", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("sync_runs", sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("ALTER TABLE audiences DROP CONSTRAINT ck_audiences_on_leave")
    op.execute(
        "ALTER TABLE audiences ADD CONSTRAINT ck_audiences_on_leave"
        " CHECK (on_leave in ('unsubscribe', 'archive', 'delete', 'keep')),"
        " ADD CONSTRAINT ck_audiences_on_return CHECK (on_return in ('pending_once', 'form_only'))"
    )
    op.execute(
        "ALTER TABLE destinations ADD CONSTRAINT ck_destinations_login CHECK (login in ('api_key', 'oauth'))"
    )
    op.execute("UPDATE sync_runs SET state = 'failed' WHERE state NOT IN ('running', 'done', 'failed')")
    op.execute(
        "ALTER TABLE sync_runs ADD CONSTRAINT ck_sync_runs_state"
        " CHECK (state in ('running', 'paused', 'waiting', 'done', 'failed', 'cancelled')),"
        " ADD CONSTRAINT ck_sync_runs_wish CHECK (wish in ('', 'pause', 'cancel'))"
    )
    # Audiences that are in use keep being synced; only new ones wait for an admin's approval.
    op.execute("UPDATE audiences SET approved_at = now()")
    op.add_column("changes", sa.Column("sent_email", sa.Text(), nullable=True))
    op.create_index(
        "ix_contacts_merged_into",
        "contacts",
        ["merged_into_id"],
        unique=False,
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    # Rows that are written again: room on the page lets PostgreSQL leave the indexes alone.
    op.execute("ALTER TABLE members SET (fillfactor = 70)")
    op.execute("ALTER TABLE changes SET (fillfactor = 50)")


def downgrade() -> None:
    op.execute("ALTER TABLE changes RESET (fillfactor)")
    op.execute("ALTER TABLE members RESET (fillfactor)")
    op.drop_index(
        "ix_contacts_merged_into",
        table_name="contacts",
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.drop_column("changes", "sent_email")
    op.execute("ALTER TABLE sync_runs DROP CONSTRAINT ck_sync_runs_state, DROP CONSTRAINT ck_sync_runs_wish")
    op.execute("ALTER TABLE destinations DROP CONSTRAINT ck_destinations_login")
    op.execute("UPDATE audiences SET on_leave = 'archive' WHERE on_leave = 'delete'")
    op.execute(
        "ALTER TABLE audiences DROP CONSTRAINT ck_audiences_on_leave, DROP CONSTRAINT ck_audiences_on_return"
    )
    op.execute(
        "ALTER TABLE audiences ADD CONSTRAINT ck_audiences_on_leave CHECK (on_leave in ('unsubscribe', 'archive', 'keep'))"
    )
    op.drop_column("sync_runs", "beat_at")
    op.drop_column("sync_runs", "findings")
    op.drop_column("sync_runs", "errors")
    op.drop_column("sync_runs", "call_count")
    op.drop_column("sync_runs", "total_count")
    op.drop_column("sync_runs", "done_count")
    op.drop_column("sync_runs", "actor")
    op.drop_column("sync_runs", "wish")
    op.drop_index(
        "ix_members_remote", table_name="members", postgresql_where=sa.text("remote_contact_id <> ''")
    )
    op.drop_column("members", "asked_evidence_id")
    op.drop_column("members", "theirs_changed")
    op.drop_column("members", "marketing_permissions")
    op.drop_column("members", "interests")
    op.drop_column("destinations", "paused_code")
    op.drop_column("destinations", "account")
    op.drop_column("destinations", "login")
    op.drop_column("sources", "backfilled_until")
    op.drop_column("sources", "health")
    op.drop_column("audiences", "reconciled_at")
    op.drop_column("audiences", "paused_reason")
    op.drop_column("audiences", "paused_code")
    op.drop_column("audiences", "paused_at")
    op.drop_column("audiences", "approved_at")
    op.drop_column("audiences", "activity_until")
    op.drop_column("audiences", "keeps_activity")
    op.drop_column("audiences", "guard_share")
    op.drop_column("audiences", "on_return")
    op.drop_column("audiences", "contact_id_field")
    op.drop_column("audiences", "marketing_permissions")
    op.drop_column("audiences", "interests")
    op.drop_index(
        "ix_field_reviews_open", table_name="field_reviews", postgresql_where=sa.text("verdict = ''")
    )
    op.drop_table("field_reviews")
    op.drop_table("messages")
    op.drop_index("ix_events_message", table_name="events")
    op.drop_table("pending_logins")
