"""What documents say, for searches, and which ones people have starred."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BYTEWISE_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "search_texts",
        sa.Column("through_seq", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", name="search_texts_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="search_texts_document_pk_fkey"),
    )
    op.create_table(
        "search_words",
        sa.Column("word", _BYTEWISE_TEXT, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("word", "document_pk", name="search_words_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="search_words_document_pk_fkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("search_words_document_pk_idx", "search_words", ["document_pk"])
    op.create_table(
        "stars",
        sa.Column("person_pk", sa.Integer, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("person_pk", "document_pk", name="stars_pkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="stars_person_pk_fkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="stars_document_pk_fkey"),
    )
    op.create_index("stars_document_pk_idx", "stars", ["document_pk"])


def downgrade() -> None:
    op.drop_table("stars")
    op.drop_table("search_words")
    op.drop_table("search_texts")
