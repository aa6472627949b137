"""Documents, the people who wrote in them, the update log and its checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    bytewise_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "documents",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("name", bytewise_text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("title_folded", sa.Text, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("head_seq", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("pk", name="documents_pkey"),
        sa.UniqueConstraint("name", name="documents_name_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "people",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("external_id", bytewise_text, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="people_pkey"),
        sa.UniqueConstraint("external_id", name="people_external_id_key"),
    )
    op.create_table(
        "updates",
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("person_pk", sa.Integer),
        sa.Column("checksum", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", "seq", name="updates_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="updates_document_pk_fkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="updates_person_pk_fkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("through_seq", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("checksum", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", name="checkpoints_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="checkpoints_document_pk_fkey"),
    )


def downgrade() -> None:
    op.drop_table("checkpoints")
    op.drop_table("updates")
    op.drop_table("people")
    op.drop_table("documents")
