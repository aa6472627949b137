"""With which version of the editor's schema a document was written."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("schema_version", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("documents", "schema_version")
