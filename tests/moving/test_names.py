"""What documents are called here whose names cannot be had (rules N1–N3 of `storage.foreign.names`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.types import parse_document_id
from storage.foreign.names import document_id


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("team/plans", "team/plans"),
        ("json:notebook:3f2a", "json:notebook:3f2a"),
        ("a~b", "a~b"),
        ("room a", "room~20a"),
        ("Überblick", "~C3~9Cberblick"),
        ("100%", "100~25"),
        ("/leading", "~/leading"),
        ("a//b/", "a/~/b/~"),
        ("a/../b", "a/~2E~2E/b"),
        (".", "~2E"),
        ("", "~"),
        ("x" * 300, "x" * 238 + "~" + "0d4e2ca9e9cbced7"),
    ],
)
def test_names(name: str, here: str) -> None:
    assert document_id(name) == here


@given(st.text())
def test_every_name_becomes_one_that_can_be_had_and_those_that_can_stay(name: str) -> None:
    here = document_id(name)
    assert parse_document_id(here) == here
    try:
        parse_document_id(name)
    except ValueError:
        return
    assert here == name
