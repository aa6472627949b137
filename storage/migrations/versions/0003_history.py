"""What history keeps beside the log: checkpoints, the index of who did what, versions and events."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "history_checkpoints",
        sa.Column("through_seq", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("checksum", sa.Integer, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", "through_seq", name="history_checkpoints_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="history_checkpoints_document_pk_fkey"),
    )
    op.create_table(
        "history_spans",
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("removed", sa.BigInteger, nullable=False),
        sa.Column("updates", sa.Integer, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("person_pk", sa.Integer),
        sa.PrimaryKeyConstraint("document_pk", "last_seq", name="history_spans_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="history_spans_document_pk_fkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="history_spans_person_pk_fkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_clients",
        sa.Column("client", sa.BigInteger, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("person_pk", sa.Integer),
        sa.PrimaryKeyConstraint("document_pk", "client", name="history_clients_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="history_clients_document_pk_fkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="history_clients_person_pk_fkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_events",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("row_seq", sa.BigInteger),
        sa.Column("client", sa.BigInteger),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("person_pk", sa.Integer),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("copies", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="history_events_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="history_events_document_pk_fkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="history_events_person_pk_fkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("history_events_document_pk_idx", "history_events", ["document_pk"])
    op.create_table(
        "versions",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("person_pk", sa.Integer),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="versions_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="versions_document_pk_fkey"),
        sa.ForeignKeyConstraint(["person_pk"], ["people.pk"], name="versions_person_pk_fkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("versions_document_pk_idx", "versions", ["document_pk"])


def downgrade() -> None:
    for table in ("versions", "history_events", "history_clients", "history_spans", "history_checkpoints"):
        op.drop_table(table)
