"""Kinds of text and time that several requests carry, each checked in one place."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr, WithJsonSchema

from collab.types import DocumentId, Role, parse_document_id
from storage.documents import is_findable
from storage.sharing import SHARED_ROLES
from web.visitor import check_pattern

NAME_CHARACTERS_MAX = 80
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")
_YEAR_MAX = 9000


def _person_name(text: str) -> str:
    text = " ".join(text.split())
    if not 1 <= len(text) <= NAME_CHARACTERS_MAX or "@" in text or not text.isprintable():
        raise ValueError(f"a name has 1 to {NAME_CHARACTERS_MAX} characters, none of them @ or a control character")
    return text


def _email(text: str) -> str:
    text = text.strip()
    if _EMAIL.fullmatch(text) is None or not text.isprintable():
        raise ValueError("this is no e-mail address")
    return text


def _storable(text: str) -> str:
    if not is_findable(text):
        raise ValueError("there are characters in it that cannot be stored")
    return text


def _near(time: datetime) -> datetime:
    # Beyond, adding a time zone's offset overflows.
    if not 1970 < time.year < _YEAR_MAX:
        raise ValueError("this time is too far away")
    return time


def _role(text: object) -> Role:
    for role in Role:
        if text == role.name.lower():
            return role
    raise ValueError("a role is reader, commenter, editor or owner")


def _shared_role(text: object) -> Role:
    role = _role(text)
    if role not in SHARED_ROLES:
        raise ValueError("a role that can be given is reader, commenter or editor")
    return role


PersonName = Annotated[str, AfterValidator(_person_name), Field(examples=["Ann"])]
Email = Annotated[str, AfterValidator(_email), Field(examples=["ann@example.com"])]
Line = Annotated[str, Field(max_length=200), AfterValidator(_storable)]
"""A short text whatever it says."""
Secret = Annotated[SecretStr, Field(max_length=1024)]
"""Never shown, not even when the request is wrong."""
Moment = Annotated[AwareDatetime, AfterValidator(_near)]
DocumentName = Annotated[DocumentId, AfterValidator(parse_document_id)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
RoleName = Annotated[
    Role, BeforeValidator(_role), WithJsonSchema({"enum": [role.name.lower() for role in Role], "type": "string"})
]
SharedRoleName = Annotated[
    Role,
    BeforeValidator(_shared_role),
    WithJsonSchema({"enum": [role.name.lower() for role in SHARED_ROLES], "type": "string"}),
]
"""A role that can be given: ownership is transferred."""
