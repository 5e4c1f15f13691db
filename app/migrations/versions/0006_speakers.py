"""Of several people at one address an admin chooses who stands for it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("is_speaker", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("contacts", "is_speaker")
