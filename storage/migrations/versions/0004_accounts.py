"""Accounts, sign-ins, invitations, roles and links, API tokens, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    bytewise_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "accounts",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("id", bytewise_text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_folded", bytewise_text),
        sa.Column("email", sa.Text),
        sa.Column("email_folded", bytewise_text),
        sa.Column("password_hash", sa.Text),
        sa.Column("oidc_subject", bytewise_text),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("guest", sa.Boolean, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("signed_in_at_ms", sa.BigInteger),
        sa.Column("suspended_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("pk", name="accounts_pkey"),
        sa.UniqueConstraint("id", name="accounts_id_key"),
        sa.UniqueConstraint("name_folded", name="accounts_name_folded_key"),
        sa.UniqueConstraint("email_folded", name="accounts_email_folded_key"),
        sa.UniqueConstraint("oidc_subject", name="accounts_oidc_subject_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sign_ins",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("digest", bytewise_text, nullable=False),
        sa.Column("account_pk", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("used_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("agent", sa.Text),
        sa.PrimaryKeyConstraint("pk", name="sign_ins_pkey"),
        sa.UniqueConstraint("digest", name="sign_ins_digest_key"),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.pk"], name="sign_ins_account_pk_fkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "invitations",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("digest", bytewise_text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("account_pk", sa.Integer),
        sa.Column("invited_by_pk", sa.Integer),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="invitations_pkey"),
        sa.UniqueConstraint("digest", name="invitations_digest_key"),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.pk"], name="invitations_account_pk_fkey"),
        sa.ForeignKeyConstraint(["invited_by_pk"], ["accounts.pk"], name="invitations_invited_by_pk_fkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "grants",
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("account_pk", sa.Integer, nullable=False),
        sa.Column("role", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", "account_pk", name="grants_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="grants_document_pk_fkey"),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.pk"], name="grants_account_pk_fkey"),
    )
    op.create_table(
        "general_access",
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("role", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("document_pk", name="general_access_pkey"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="general_access_document_pk_fkey"),
    )
    op.create_table(
        "share_links",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("digest", bytewise_text, nullable=False),
        sa.Column("document_pk", sa.Integer, nullable=False),
        sa.Column("role", sa.Integer, nullable=False),
        sa.Column("created_by_pk", sa.Integer),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("pk", name="share_links_pkey"),
        sa.UniqueConstraint("digest", name="share_links_digest_key"),
        sa.ForeignKeyConstraint(["document_pk"], ["documents.pk"], name="share_links_document_pk_fkey"),
        sa.ForeignKeyConstraint(["created_by_pk"], ["accounts.pk"], name="share_links_created_by_pk_fkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "link_holders",
        sa.Column("link_pk", sa.Integer, nullable=False),
        sa.Column("account_pk", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("link_pk", "account_pk", name="link_holders_pkey"),
        sa.ForeignKeyConstraint(["link_pk"], ["share_links.pk"], name="link_holders_link_pk_fkey"),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.pk"], name="link_holders_account_pk_fkey"),
    )
    op.create_table(
        "tokens",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("digest", bytewise_text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("account_pk", sa.Integer),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("documents", sa.Text, nullable=False),
        sa.Column("by_operator", sa.Boolean, nullable=False),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("used_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("pk", name="tokens_pkey"),
        sa.UniqueConstraint("digest", name="tokens_digest_key"),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.pk"], name="tokens_account_pk_fkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tickets",
        sa.Column("digest", bytewise_text, nullable=False),
        sa.Column("document", bytewise_text, nullable=False),
        sa.Column("visitor", sa.Text, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="tickets_pkey"),
    )
    op.create_table(
        "audit",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("user_id", bytewise_text),
        sa.Column("user_name", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("document", bytewise_text),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="audit_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "server_values",
        sa.Column("name", bytewise_text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="server_values_pkey"),
    )
    op.create_index("sign_ins_account_pk_idx", "sign_ins", ["account_pk"])
    op.create_index("grants_account_pk_idx", "grants", ["account_pk"])
    op.create_index("share_links_document_pk_idx", "share_links", ["document_pk"])
    op.create_index("link_holders_account_pk_idx", "link_holders", ["account_pk"])
    op.create_index("tokens_account_pk_idx", "tokens", ["account_pk"])
    op.create_index("audit_user_id_idx", "audit", ["user_id"])
    op.create_index("audit_document_idx", "audit", ["document"])


def downgrade() -> None:
    op.drop_table("server_values")
    op.drop_table("audit")
    op.drop_table("tickets")
    op.drop_table("tokens")
    op.drop_table("link_holders")
    op.drop_table("share_links")
    op.drop_table("general_access")
    op.drop_table("grants")
    op.drop_table("invitations")
    op.drop_table("sign_ins")
    op.drop_table("accounts")
