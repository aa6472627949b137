"""How people are called who have no account here, but sign in by another product."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("name", sa.Text))


def downgrade() -> None:
    op.drop_column("people", "name")
