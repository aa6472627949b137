"""Which files, such as images, belong to which document. What is in them is not in the database."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    bytewise_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "files",
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("person_pk", sa.Integer),
        sa.Column("digest", bytewise_text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", "digest", name="files_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="files_document_pk_fkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="files_person_pk_fkey"),
    )


def downgrade() -> None:
    op.drop_table("files")
