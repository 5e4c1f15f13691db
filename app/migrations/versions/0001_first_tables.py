"""First tables: sources, inbox, contacts, audiences, lists, accounts, and the views for the organisation's own tools."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

VIEWS = """
CREATE VIEW customer_contacts AS
SELECT id AS contact_id,
       fields ->> 'email' AS email,
       fields ->> 'phone' AS phone,
       fields ->> 'first_name' AS first_name,
       fields ->> 'last_name' AS last_name,
       fields, provenance, tags, created_at, updated_at
FROM contacts WHERE state = 'active';
COMMENT ON VIEW customer_contacts IS 'One row a person. fields: every field by name; provenance: the event, source and time behind each.';

CREATE VIEW customer_identities AS
SELECT i.contact_id, i.kind, i.scope, i.given_value AS value, i.match_value, s.slug AS source, i.created_at
FROM identities i JOIN contacts c ON c.id = i.contact_id AND c.state = 'active' LEFT JOIN sources s ON s.id = i.source_id;
COMMENT ON VIEW customer_identities IS 'What points at a person: addresses, phones, ids of platforms within their scope.';

CREATE VIEW customer_consents AS
SELECT e.contact_id, e.channel, e.purpose, e.verdict, e.proof, e.wording, e.method, e.occurred_at, e.received_at,
       s.slug AS source, e.event_id, c.status AS current_status, c.decided_at AS current_since
FROM consent_evidence e
JOIN contacts p ON p.id = e.contact_id AND p.state = 'active'
LEFT JOIN sources s ON s.id = e.source_id
LEFT JOIN consents c ON c.contact_id = e.contact_id AND c.channel = e.channel AND c.purpose = e.purpose;
COMMENT ON VIEW customer_consents IS 'The consent ledger with its proof; current_status is what it adds up to.';

CREATE VIEW customer_timeline AS
SELECT t.contact_id, t.occurred_at, t.kind, t.summary, t.detail, s.slug AS source, t.event_id
FROM timeline_entries t
JOIN contacts p ON p.id = t.contact_id AND p.state = 'active'
LEFT JOIN sources s ON s.id = t.source_id
WHERE NOT t.is_private;
COMMENT ON VIEW customer_timeline IS 'A person''s history, private messages left out.';
"""


def upgrade() -> None:
    op.execute("CREATE SEQUENCE source_revisions")
    op.execute("CREATE SEQUENCE change_numbers")
    op.create_table('audit_entries',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('before', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('after', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('previous_hash', sa.LargeBinary(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entries'))
    )
    op.create_table('contacts',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('state', sa.Text(), server_default='active', nullable=False),
    sa.Column('merged_into_id', sa.BigInteger(), nullable=True),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('provenance', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('tags', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("state in ('active', 'merged', 'erased')", name=op.f('ck_contacts_state')),
    sa.ForeignKeyConstraint(['merged_into_id'], ['contacts.id'], name=op.f('fk_contacts_merged_into_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contacts'))
    )
    op.create_index('ix_contacts_updated', 'contacts', ['updated_at'], unique=False)
    op.create_table('destinations',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='mailchimp', nullable=False),
    sa.Column('label', sa.Text(), server_default='', nullable=False),
    sa.Column('base_url', sa.Text(), nullable=False),
    sa.Column('sealed_key', sa.LargeBinary(), nullable=False),
    sa.Column('paused_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('paused_reason', sa.Text(), nullable=True),
    sa.Column('breaker', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_destinations')),
    sa.UniqueConstraint('slug', name=op.f('uq_destinations_slug'))
    )
    op.create_table('heartbeats',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('beat_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_heartbeats'))
    )
    op.create_table('roles',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('permissions', sa.UnicodeText(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_roles')),
    sa.UniqueConstraint('name', name=op.f('uq_roles_name'))
    )
    op.create_table('sign_in_links',
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_sign_in_links'))
    )
    op.create_table('sources',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('integration', sa.Text(), nullable=False),
    sa.Column('label', sa.Text(), server_default='', nullable=False),
    sa.Column('settings', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('is_enabled', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('trust', sa.Integer(), server_default='50', nullable=False),
    sa.Column('paused_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('paused_reason', sa.Text(), nullable=True),
    sa.Column('max_body_bytes', sa.Integer(), server_default='1048576', nullable=False),
    sa.Column('mapping_version_id', sa.BigInteger(), nullable=True),
    sa.Column('revision', sa.BigInteger(), server_default=sa.text("nextval('source_revisions')"), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'", name=op.f('ck_sources_slug')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sources')),
    sa.UniqueConstraint('slug', name=op.f('uq_sources_slug'))
    )
    op.create_table('suppressions',
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('value_hash', sa.LargeBinary(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('kind', 'value_hash', name=op.f('pk_suppressions'))
    )
    op.create_table('users',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('password', sa.Text(), nullable=True),
    sa.Column('active', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('fs_uniquifier', sa.Text(), nullable=False),
    sa.Column('create_datetime', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('update_datetime', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('last_login_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('current_login_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_login_ip', sa.Text(), nullable=True),
    sa.Column('current_login_ip', sa.Text(), nullable=True),
    sa.Column('login_count', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
    sa.UniqueConstraint('email', name=op.f('uq_users_email')),
    sa.UniqueConstraint('fs_uniquifier', name=op.f('uq_users_fs_uniquifier'))
    )
    op.create_table('audiences',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('destination_id', sa.BigInteger(), nullable=False),
    sa.Column('list_id', sa.Text(), nullable=False),
    sa.Column('label', sa.Text(), server_default='', nullable=False),
    sa.Column('channel', sa.Text(), server_default='email', nullable=False),
    sa.Column('purpose', sa.Text(), server_default='newsletter', nullable=False),
    sa.Column('merge_fields', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('tags', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('entry_rule', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('is_double_opt_in', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('on_leave', sa.Text(), server_default='archive', nullable=False),
    sa.Column('is_enabled', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('remote_schema', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('pulled_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("on_leave in ('unsubscribe', 'archive', 'keep')", name=op.f('ck_audiences_on_leave')),
    sa.ForeignKeyConstraint(['destination_id'], ['destinations.id'], name=op.f('fk_audiences_destination_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audiences')),
    sa.UniqueConstraint('destination_id', 'list_id', name=op.f('uq_audiences_destination_id_list_id')),
    sa.UniqueConstraint('slug', name=op.f('uq_audiences_slug'))
    )
    op.create_table('consents',
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('proof', sa.Text(), nullable=False),
    sa.Column('evidence_id', sa.BigInteger(), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_consents_contact_id')),
    sa.PrimaryKeyConstraint('contact_id', 'channel', 'purpose', name=op.f('pk_consents'))
    )
    op.create_table('deliveries',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('content_type', sa.Text(), server_default='', nullable=False),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('query', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('body_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('state', sa.Text(), server_default='new', nullable=False),
    sa.Column('event_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('ignored', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('lease_token', sa.UUID(), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempt_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state in ('new', 'done', 'dead')", name=op.f('ck_deliveries_state')),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_deliveries_source_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deliveries')),
    sa.UniqueConstraint('source_id', 'key', name=op.f('uq_deliveries_source_id_key'))
    )
    op.create_index('ix_deliveries_pending', 'deliveries', ['next_attempt_at', 'id'], unique=False, postgresql_where=sa.text('settled_at IS NULL'))
    op.create_index('ix_deliveries_received', 'deliveries', ['received_at'], unique=False)
    op.create_index('ix_deliveries_dead', 'deliveries', ['id'], unique=False, postgresql_where=sa.text("state = 'dead'"))
    op.create_table('delivery_conflicts',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('body_sha256', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_delivery_conflicts_source_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery_conflicts')),
    sa.UniqueConstraint('source_id', 'key', 'body_sha256', name=op.f('uq_delivery_conflicts_source_id_key_body_sha256'))
    )
    op.create_table('identities',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('scope', sa.Text(), server_default='', nullable=False),
    sa.Column('match_value', sa.Text(), nullable=False),
    sa.Column('given_value', sa.Text(), nullable=False),
    sa.Column('is_matching', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=True),
    sa.Column('event_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_identities_contact_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identities')),
    sa.UniqueConstraint('kind', 'scope', 'match_value', 'contact_id', name=op.f('uq_identities_kind_scope_match_value_contact_id'))
    )
    op.create_index('ix_identities_contact', 'identities', ['contact_id'], unique=False)
    op.create_table('judgements',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('contact_a_id', sa.BigInteger(), nullable=False),
    sa.Column('contact_b_id', sa.BigInteger(), nullable=False),
    sa.Column('verdict', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('judge', sa.Text(), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=True),
    sa.Column('judged_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("verdict in ('same', 'different', 'unsure')", name=op.f('ck_judgements_verdict')),
    sa.CheckConstraint('contact_a_id < contact_b_id', name=op.f('ck_judgements_order')),
    sa.ForeignKeyConstraint(['contact_a_id'], ['contacts.id'], name=op.f('fk_judgements_contact_a_id')),
    sa.ForeignKeyConstraint(['contact_b_id'], ['contacts.id'], name=op.f('fk_judgements_contact_b_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_judgements')),
    sa.UniqueConstraint('contact_a_id', 'contact_b_id', name=op.f('uq_judgements_contact_a_id_contact_b_id'))
    )
    op.create_table('list_runs',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('file_name', sa.Text(), nullable=False),
    sa.Column('file_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('is_dry_run', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('state', sa.Text(), server_default='running', nullable=False),
    sa.Column('counts', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state in ('running', 'planned', 'done', 'failed')", name=op.f('ck_list_runs_state')),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_list_runs_source_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_list_runs'))
    )
    op.create_index(op.f('ix_list_runs_source_id'), 'list_runs', ['source_id'], unique=False)
    op.create_table('mapping_versions',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), server_default='', nullable=False),
    sa.Column('author', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_mapping_versions_source_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mapping_versions')),
    sa.UniqueConstraint('source_id', 'number', name=op.f('uq_mapping_versions_source_id_number'))
    )
    op.create_table('merges',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('winner_id', sa.BigInteger(), nullable=False),
    sa.Column('loser_id', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('moved', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('merged_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('unmerged_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['loser_id'], ['contacts.id'], name=op.f('fk_merges_loser_id')),
    sa.ForeignKeyConstraint(['winner_id'], ['contacts.id'], name=op.f('fk_merges_winner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_merges'))
    )
    op.create_table('rejections',
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('count', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('last_body_sha256', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_rejections_source_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('source_id', 'day', 'reason', name=op.f('pk_rejections'))
    )
    op.create_table('secrets',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_secrets_source_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_secrets'))
    )
    op.create_index(op.f('ix_secrets_source_id'), 'secrets', ['source_id'], unique=False)
    op.create_table('user_roles',
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('role_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['role_id'], ['roles.id'], name=op.f('fk_user_roles_role_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_roles_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'role_id', name=op.f('pk_user_roles'))
    )
    op.create_table('changes',
    sa.Column('audience_id', sa.BigInteger(), nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.BigInteger(), server_default=sa.text("nextval('change_numbers')"), nullable=False),
    sa.Column('lane', sa.SmallInteger(), server_default='0', nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('lease_token', sa.UUID(), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempt_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('first_failed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('parked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['audience_id'], ['audiences.id'], name=op.f('fk_changes_audience_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_changes_contact_id')),
    sa.PrimaryKeyConstraint('audience_id', 'contact_id', name=op.f('pk_changes'))
    )
    op.create_index('ix_changes_due', 'changes', ['audience_id', 'lane', 'next_attempt_at'], unique=False)
    op.create_table('events',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('delivery_id', sa.BigInteger(), nullable=True),
    sa.Column('list_run_id', sa.BigInteger(), nullable=True),
    sa.Column('lane', sa.SmallInteger(), server_default='0', nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('account', sa.Text(), server_default='', nullable=False),
    sa.Column('is_erasure', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('content', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('enriched', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('state', sa.Text(), server_default='new', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('warnings', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('mapping_version_id', sa.BigInteger(), nullable=True),
    sa.Column('contact_id', sa.BigInteger(), nullable=True),
    sa.Column('lease_token', sa.UUID(), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempt_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state in ('new', 'waiting_enrich', 'blocked', 'done', 'ignored', 'dead')", name=op.f('ck_events_state')),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_events_delivery_id')),
    sa.ForeignKeyConstraint(['list_run_id'], ['list_runs.id'], name=op.f('fk_events_list_run_id')),
    sa.ForeignKeyConstraint(['mapping_version_id'], ['mapping_versions.id'], name=op.f('fk_events_mapping_version_id')),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_events_source_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    sa.UniqueConstraint('source_id', 'key', name=op.f('uq_events_source_id_key'))
    )
    op.create_index('ix_events_dead', 'events', ['id'], unique=False, postgresql_where=sa.text("state = 'dead'"))
    op.create_index('ix_events_delivery', 'events', ['delivery_id'], unique=False)
    op.create_index('ix_events_pending', 'events', ['lane', 'next_attempt_at', 'id'], unique=False, postgresql_where=sa.text('settled_at IS NULL'))
    op.create_table('list_rows',
    sa.Column('source_id', sa.BigInteger(), nullable=False),
    sa.Column('row_key', sa.Text(), nullable=False),
    sa.Column('row_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=True),
    sa.Column('list_run_id', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_list_rows_contact_id')),
    sa.ForeignKeyConstraint(['list_run_id'], ['list_runs.id'], name=op.f('fk_list_rows_list_run_id')),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_list_rows_source_id')),
    sa.PrimaryKeyConstraint('source_id', 'row_key', name=op.f('pk_list_rows'))
    )
    op.create_index('ix_list_rows_run', 'list_rows', ['source_id', 'list_run_id'], unique=False)
    op.create_table('members',
    sa.Column('audience_id', sa.BigInteger(), nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('email_address', sa.Text(), nullable=False),
    sa.Column('subscriber_hash', sa.Text(), nullable=False),
    sa.Column('remote_contact_id', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='', nullable=False),
    sa.Column('merge_fields', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('tags', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('pushed_hash', sa.Text(), server_default='', nullable=False),
    sa.Column('pushed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_changed', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sync_state', sa.Text(), server_default='ok', nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("sync_state in ('ok', 'failed')", name=op.f('ck_members_sync_state')),
    sa.ForeignKeyConstraint(['audience_id'], ['audiences.id'], name=op.f('fk_members_audience_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_members_contact_id')),
    sa.PrimaryKeyConstraint('audience_id', 'contact_id', name=op.f('pk_members'))
    )
    op.create_index('ix_members_contact', 'members', ['contact_id'], unique=False)
    op.create_index('ix_members_hash', 'members', ['audience_id', 'subscriber_hash'], unique=False)
    op.create_table('sync_runs',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('audience_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), server_default='running', nullable=False),
    sa.Column('counts', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['audience_id'], ['audiences.id'], name=op.f('fk_sync_runs_audience_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sync_runs'))
    )
    op.create_index('ix_sync_runs_audience', 'sync_runs', ['audience_id', 'id'], unique=False)
    op.create_table('attempts',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('delivery_id', sa.BigInteger(), nullable=True),
    sa.Column('event_id', sa.BigInteger(), nullable=True),
    sa.Column('audience_id', sa.BigInteger(), nullable=True),
    sa.Column('contact_id', sa.BigInteger(), nullable=True),
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_attempts_delivery_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['event_id'], ['events.id'], name=op.f('fk_attempts_event_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attempts'))
    )
    op.create_index('ix_attempts_at', 'attempts', ['at'], unique=False)
    op.create_index('ix_attempts_event', 'attempts', ['event_id'], unique=False)
    op.create_table('consent_evidence',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('address', sa.Text(), server_default='', nullable=False),
    sa.Column('verdict', sa.Text(), nullable=False),
    sa.Column('proof', sa.Text(), server_default='claimed', nullable=False),
    sa.Column('wording', sa.Text(), server_default='', nullable=False),
    sa.Column('method', sa.Text(), server_default='', nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=True),
    sa.Column('event_id', sa.BigInteger(), nullable=True),
    sa.Column('ordinal', sa.SmallInteger(), server_default='0', nullable=False),
    sa.Column('actor', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint("proof in ('claimed', 'confirmed')", name=op.f('ck_consent_evidence_proof')),
    sa.CheckConstraint("verdict in ('given', 'withdrawn')", name=op.f('ck_consent_evidence_verdict')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_consent_evidence_contact_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent_evidence')),
    sa.UniqueConstraint('event_id', 'ordinal', name=op.f('uq_consent_evidence_event_id_ordinal'))
    )
    op.create_index('ix_consent_evidence_address', 'consent_evidence', ['address'], unique=False, postgresql_where=sa.text("address <> ''"))
    op.create_index('ix_consent_evidence_contact', 'consent_evidence', ['contact_id'], unique=False)
    op.create_table('contact_patches',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=True),
    sa.Column('ordinal', sa.SmallInteger(), server_default='0', nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=True),
    sa.Column('mapping_version_id', sa.BigInteger(), nullable=True),
    sa.Column('trust', sa.Integer(), server_default='50', nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('identities', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('tags_added', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('tags_removed', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_contact_patches_contact_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact_patches')),
    sa.UniqueConstraint('event_id', 'ordinal', name=op.f('uq_contact_patches_event_id_ordinal'))
    )
    op.create_index('ix_contact_patches_contact', 'contact_patches', ['contact_id'], unique=False)
    op.create_table('timeline_entries',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('contact_id', sa.BigInteger(), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
    sa.Column('is_private', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('source_id', sa.BigInteger(), nullable=True),
    sa.Column('event_id', sa.BigInteger(), nullable=True),
    sa.Column('ordinal', sa.SmallInteger(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_timeline_entries_contact_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_timeline_entries')),
    sa.UniqueConstraint('event_id', 'ordinal', name=op.f('uq_timeline_entries_event_id_ordinal'))
    )
    op.create_index('ix_timeline_entries_contact', 'timeline_entries', ['contact_id', 'occurred_at'], unique=False)
    op.create_foreign_key(op.f('fk_sources_mapping_version_id'), 'sources', 'mapping_versions', ['mapping_version_id'], ['id'])
    op.execute(VIEWS)


def downgrade() -> None:
    for view in ("customer_timeline", "customer_consents", "customer_identities", "customer_contacts"):
        op.execute(f"DROP VIEW {view}")
    op.drop_constraint(op.f('fk_sources_mapping_version_id'), 'sources', type_='foreignkey')
    op.drop_index('ix_timeline_entries_contact', table_name='timeline_entries')
    op.drop_table('timeline_entries')
    op.drop_index('ix_contact_patches_contact', table_name='contact_patches')
    op.drop_table('contact_patches')
    op.drop_index('ix_consent_evidence_contact', table_name='consent_evidence')
    op.drop_index('ix_consent_evidence_address', table_name='consent_evidence', postgresql_where=sa.text("address <> ''"))
    op.drop_table('consent_evidence')
    op.drop_index('ix_attempts_event', table_name='attempts')
    op.drop_index('ix_attempts_at', table_name='attempts')
    op.drop_table('attempts')
    op.drop_index('ix_sync_runs_audience', table_name='sync_runs')
    op.drop_table('sync_runs')
    op.drop_index('ix_members_hash', table_name='members')
    op.drop_index('ix_members_contact', table_name='members')
    op.drop_table('members')
    op.drop_index('ix_list_rows_run', table_name='list_rows')
    op.drop_table('list_rows')
    op.drop_index('ix_events_pending', table_name='events', postgresql_where=sa.text('settled_at IS NULL'))
    op.drop_index('ix_events_delivery', table_name='events')
    op.drop_index('ix_events_dead', table_name='events', postgresql_where=sa.text("state = 'dead'"))
    op.drop_table('events')
    op.drop_index('ix_changes_due', table_name='changes')
    op.drop_table('changes')
    op.drop_table('user_roles')
    op.drop_index(op.f('ix_secrets_source_id'), table_name='secrets')
    op.drop_table('secrets')
    op.drop_table('rejections')
    op.drop_table('merges')
    op.drop_table('mapping_versions')
    op.drop_index(op.f('ix_list_runs_source_id'), table_name='list_runs')
    op.drop_table('list_runs')
    op.drop_table('judgements')
    op.drop_index('ix_identities_contact', table_name='identities')
    op.drop_table('identities')
    op.drop_table('delivery_conflicts')
    op.drop_index('ix_deliveries_dead', table_name='deliveries', postgresql_where=sa.text("state = 'dead'"))
    op.drop_index('ix_deliveries_received', table_name='deliveries')
    op.drop_index('ix_deliveries_pending', table_name='deliveries', postgresql_where=sa.text('settled_at IS NULL'))
    op.drop_table('deliveries')
    op.drop_table('consents')
    op.drop_table('audiences')
    op.drop_table('users')
    op.drop_table('suppressions')
    op.drop_table('sources')
    op.drop_table('sign_in_links')
    op.drop_table('roles')
    op.drop_table('heartbeats')
    op.drop_table('destinations')
    op.drop_index('ix_contacts_updated', table_name='contacts')
    op.drop_table('contacts')
    op.drop_table('audit_entries')
    op.execute("DROP SEQUENCE change_numbers")
    op.execute("DROP SEQUENCE source_revisions")
