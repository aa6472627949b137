"""The tables, as SQLAlchemy Core sees them, and the checksums in them. Migrations create them; a test compares the two.

Documents and people are interned, so that a row of `updates` costs a few integers and its payload.

Secrets (of sign-ins, tokens, links, invitations, tickets) are never stored: only their SHA-256, in hex. They are random
and long, so nobody finds them from it, and a look-up by digest tells nothing by the time it takes.
"""

import struct
import zlib

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    }
)

# SQLite compares bytes by default; PostgreSQL by the database's locale unless told so.
BYTEWISE_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

documents = Table(
    "documents",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("name", BYTEWISE_TEXT, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    # What searches look through: the databases fold case differently, and SQLite's lower() knows ASCII only.
    Column("title_folded", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("head_seq", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("deleted_at_ms", BigInteger),
    # Rows of `updates` through this one stand for others that were thinned out, and how often that was done.
    Column("thinned_through", BigInteger, nullable=False, server_default="0"),
    Column("thinnings", Integer, nullable=False, server_default="0"),
    # Of the editor: whoever has an older one would destroy what it does not know. 0: nobody has said.
    Column("schema_version", Integer, nullable=False, server_default="0"),
    # A purged document's key must not come back: checksums and appends in doubt refer to it.
    sqlite_autoincrement=True,
)

people = Table(
    "people",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("external_id", BYTEWISE_TEXT, nullable=False, unique=True),
    # Of somebody without an account here: what another product last said that they are called.
    Column("name", Text),
)

# The wide columns come first: PostgreSQL would pad between them otherwise. Without a rowid, SQLite keeps the rows in
# the order of the primary key, which is the order of every reader, and needs no second tree.
updates = Table(
    "updates",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False),
    Column("person_pk", ForeignKey("people.pk")),
    Column("checksum", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    PrimaryKeyConstraint("document_pk", "seq"),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("through_seq", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), primary_key=True),
    Column("checksum", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

# Documents that are not loaded, because what is stored of them is damaged or has ended a process.
quarantines = Table(
    "quarantines",
    metadata,
    Column("at_ms", BigInteger, nullable=False),
    # The newest state that can be shown meanwhile, and the row through which it goes.
    Column("through_seq", BigInteger),
    Column("document_pk", ForeignKey("documents.pk"), primary_key=True),
    Column("checksum", Integer),
    Column("reason", Text, nullable=False),
    Column("state", LargeBinary),
)

# Images and the like. What is in them is kept outside of the database, under the document's epoch (`storage.blobs`).
files = Table(
    "files",
    metadata,
    Column("at_ms", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False),
    Column("person_pk", ForeignKey("people.pk")),
    # SHA-256 of the content, in hex: its name.
    Column("digest", BYTEWISE_TEXT, nullable=False),
    Column("media_type", Text, nullable=False),
    PrimaryKeyConstraint("document_pk", "digest"),
)

# Everything below can be made again from `updates`, except versions and events.
history_checkpoints = Table(
    "history_checkpoints",
    metadata,
    Column("through_seq", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False),
    Column("checksum", Integer, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("document_pk", "through_seq"),
)

history_spans = Table(
    "history_spans",
    metadata,
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("updates", Integer, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False),
    Column("person_pk", ForeignKey("people.pk")),
    PrimaryKeyConstraint("document_pk", "last_seq"),
    sqlite_with_rowid=False,
)

history_clients = Table(
    "history_clients",
    metadata,
    Column("client", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False),
    Column("person_pk", ForeignKey("people.pk")),
    PrimaryKeyConstraint("document_pk", "client"),
    sqlite_with_rowid=False,
)

history_events = Table(
    "history_events",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("row_seq", BigInteger),
    Column("client", BigInteger),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False, index=True),
    Column("person_pk", ForeignKey("people.pk")),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("copies", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False, index=True),
    Column("person_pk", ForeignKey("people.pk")),
    Column("name", Text, nullable=False),
    sqlite_autoincrement=True,
)

# What documents say, for searches: see `storage.search`. It can be made again from `updates`.
search_texts = Table(
    "search_texts",
    metadata,
    Column("through_seq", BigInteger, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), primary_key=True),
    Column("text", Text, nullable=False),
)

search_words = Table(
    "search_words",
    metadata,
    Column("word", BYTEWISE_TEXT, nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False, index=True),
    PrimaryKeyConstraint("word", "document_pk"),
    sqlite_with_rowid=False,
)

stars = Table(
    "stars",
    metadata,
    Column("person_pk", ForeignKey("people.pk"), nullable=False),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False, index=True),
    PrimaryKeyConstraint("person_pk", "document_pk"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("pk", Integer, primary_key=True),
    # The author's id in `people`, and the person's in every answer.
    Column("id", BYTEWISE_TEXT, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # Folded, so that "Ann" and "ANN" are one; without for guests, who share one name and never sign in by it.
    Column("name_folded", BYTEWISE_TEXT, unique=True),
    Column("email", Text),
    Column("email_folded", BYTEWISE_TEXT, unique=True),
    Column("password_hash", Text),
    # Issuer and subject of an OpenID provider.
    Column("oidc_subject", BYTEWISE_TEXT, unique=True),
    Column("administrator", Boolean, nullable=False),
    Column("guest", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("signed_in_at_ms", BigInteger),
    Column("suspended_at_ms", BigInteger),
    sqlite_autoincrement=True,
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("digest", BYTEWISE_TEXT, nullable=False, unique=True),
    Column("account_pk", ForeignKey("accounts.pk"), nullable=False, index=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("address", Text),
    Column("agent", Text),
    # A number that is given again would let somebody end another sign-in than the one that was listed.
    sqlite_autoincrement=True,
)

invitations = Table(
    "invitations",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("digest", BYTEWISE_TEXT, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("email", Text),
    Column("administrator", Boolean, nullable=False),
    # Whose password the link sets; none when it makes a new account.
    Column("account_pk", ForeignKey("accounts.pk")),
    Column("invited_by_pk", ForeignKey("accounts.pk")),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

grants = Table(
    "grants",
    metadata,
    Column("document_pk", ForeignKey("documents.pk"), nullable=False),
    Column("account_pk", ForeignKey("accounts.pk"), nullable=False, index=True),
    Column("role", Integer, nullable=False),
    PrimaryKeyConstraint("document_pk", "account_pk"),
)

general_access = Table(
    "general_access",
    metadata,
    Column("document_pk", ForeignKey("documents.pk"), primary_key=True),
    Column("who", Text, nullable=False),
    Column("role", Integer, nullable=False),
)

share_links = Table(
    "share_links",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("digest", BYTEWISE_TEXT, nullable=False, unique=True),
    Column("document_pk", ForeignKey("documents.pk"), nullable=False, index=True),
    Column("role", Integer, nullable=False),
    Column("created_by_pk", ForeignKey("accounts.pk")),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    sqlite_autoincrement=True,
)

link_holders = Table(
    "link_holders",
    metadata,
    Column("link_pk", ForeignKey("share_links.pk"), nullable=False),
    Column("account_pk", ForeignKey("accounts.pk"), nullable=False, index=True),
    PrimaryKeyConstraint("link_pk", "account_pk"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("digest", BYTEWISE_TEXT, nullable=False, unique=True),
    Column("label", Text, nullable=False),
    # Whose token it is; none for a program that the operator let in under a name of its own.
    Column("account_pk", ForeignKey("accounts.pk"), index=True),
    Column("user_name", Text, nullable=False),
    # JSON: role by pattern of document names.
    Column("documents", Text, nullable=False),
    # Issued by the operator: the roles hold whatever the person's own are.
    Column("by_operator", Boolean, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("used_at_ms", BigInteger),
    sqlite_autoincrement=True,
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", BYTEWISE_TEXT, primary_key=True),
    Column("document", BYTEWISE_TEXT, nullable=False),
    # JSON: who asked for it, by which credential.
    Column("visitor", Text, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("user_id", BYTEWISE_TEXT, index=True),
    Column("user_name", Text),
    Column("address", Text),
    Column("action", Text, nullable=False),
    Column("document", BYTEWISE_TEXT, index=True),
    Column("details", Text, nullable=False),
    # Later entries have greater numbers, also after old ones were removed.
    sqlite_autoincrement=True,
)

server_values = Table(
    "server_values",
    metadata,
    Column("name", BYTEWISE_TEXT, primary_key=True),
    Column("value", Text, nullable=False),
)

_UPDATE_PLACE = struct.Struct("<qqqq")
_CHECKPOINT_PLACE = struct.Struct("<qq")


def update_checksum(payload: bytes, *, document_pk: int, seq: int, person_pk: int | None, at_ms: int) -> int:
    """CRC-32 over everything a row says, so that neither bit rot nor a row in another one's place passes."""
    place = _UPDATE_PLACE.pack(document_pk, seq, person_pk or 0, at_ms)
    return _signed(zlib.crc32(place, zlib.crc32(payload)))


def thinned_checksum(payload: bytes, *, document_pk: int, seq: int, first: int, at_ms: int) -> int:
    """As `update_checksum`, for a row that stands for all from `first` on. It has no author; and because `first`
    follows from the row before, a row that is missing there is noticed.
    """
    return update_checksum(payload, document_pk=document_pk, seq=seq, person_pk=-first, at_ms=at_ms)


def checkpoint_checksum(state_crc: int, *, document_pk: int, through: int) -> int:
    """CRC-32 over a checkpoint and its place. `state_crc` is the state's own CRC-32, which takes about a millisecond
    for each MiB and is therefore computed beforehand, off the event loop.
    """
    return _signed(zlib.crc32(_CHECKPOINT_PLACE.pack(document_pk, through), state_crc))


def _signed(crc: int) -> int:
    # Four bytes in both databases, whose integers are signed.
    return crc - (1 << 32) if crc >= 1 << 31 else crc
