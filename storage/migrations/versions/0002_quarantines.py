"""Documents that are not loaded until somebody has looked at them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quarantines",
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("through_seq", sa.BigInteger),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("checksum", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.LargeBinary),
        sa.PrimaryKeyConstraint("document_pk", name="quarantines_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="quarantines_document_pk_fkey"),
    )


def downgrade() -> None:
    op.drop_table("quarantines")
