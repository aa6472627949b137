"""Answers that people save as files: named so that every system takes the name, and inert in every browser."""

import re
import unicodedata
from urllib.parse import quote

from starlette.responses import Response

SANDBOX = "sandbox; default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline'"
"""Nothing in it runs, loads or belongs to this server's origin."""

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f"*/:<>?\\|%;]+')
_UNSEEN = frozenset({"Cf", "Cs", "Co", "Cn"})
"""Among them what turns the direction of writing, which makes `exe.txt` out of `txt.exe`."""
_NAME_BYTES_MAX = 150


def file_response(content: bytes, media_type: str, *, name: str, suffix: str, attachment: bool) -> Response:
    headers = {"Content-Security-Policy": SANDBOX}
    if attachment:
        headers["Content-Disposition"] = content_disposition(name, suffix)
    return Response(content, media_type=media_type, headers=headers)


def content_disposition(name: str, suffix: str) -> str:
    """`attachment` with a file name, twice (RFC 6266): in ASCII for everybody, in UTF-8 for who understands that."""
    file = f"{file_name(name)}.{suffix}"
    ascii_only = unicodedata.normalize("NFKD", file).encode("ascii", "ignore").decode()
    plain = ascii_only if ascii_only.rpartition(".")[0].strip(" _.-") else f"document.{suffix}"
    value = f'attachment; filename="{plain}"'
    return value if plain == file else f"{value}; filename*=UTF-8''{quote(file, safe='')}"


def file_name(name: str) -> str:
    """What of a title or a document's name can be a file's name, on every system."""
    seen = "".join(character for character in name if unicodedata.category(character) not in _UNSEEN)
    kept = _NOT_IN_NAMES.sub("_", unicodedata.normalize("NFC", seen)).strip(" .")
    while len(kept.encode()) > _NAME_BYTES_MAX:
        kept = kept[:-1]
    return kept or "document"
