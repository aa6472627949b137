"""Names that other servers allow and this one does not.

N1  A name that can be had stays as it is.
N2  Everything else in one becomes `~` and two hexadecimal digits for each of its bytes in UTF-8; a part between slashes
    that is empty becomes `~`, and `.` and `..` become `~2E` and `~2E~2E`.
N3  One that is too long then is cut, and ends with `~` and the first 16 hexadecimal digits of the SHA-256 of all of it.
"""

import hashlib
import re

from collab.types import DOCUMENT_ID_BYTES_MAX, DocumentId, parse_document_id

_ELSE = re.compile(r"[^A-Za-z0-9._:~/-]")
_DIGITS = 16


def document_id(name: str) -> DocumentId:
    parts = [_part(part) for part in _ELSE.sub(lambda found: _escaped(found[0]), name).split("/")]
    text = "/".join(parts)
    if len(text) > DOCUMENT_ID_BYTES_MAX:
        digits = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
        text = f"{text[: DOCUMENT_ID_BYTES_MAX - 1 - _DIGITS]}~{digits}"
    return parse_document_id(text)


def _part(part: str) -> str:
    return _escaped(part) if part in (".", "..") else part or "~"


def _escaped(text: str) -> str:
    return "".join(f"~{byte:02X}" for byte in text.encode(errors="surrogatepass"))
