"""How far the rows of a document were thinned out."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("thinned_through", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("documents", sa.Column("thinnings", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("documents", "thinnings")
    op.drop_column("documents", "thinned_through")
