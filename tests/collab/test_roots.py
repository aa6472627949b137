"""What a root is, is read off the structs; and the text of a document is that of its texts."""

from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from collab.errors import LimitExceeded, MalformedMessage
from collab.export.text import document_text
from collab.roots import RootType, root_types
from collab.scanner import ScanLimits
from tests.hostile import (
    DELETED,
    MAP_TYPE,
    REFUSED,
    SHARED_STATE,
    XML_ELEMENT_TYPE,
    gc,
    item,
    nested_types,
    section,
    shared_type,
    text,
    update,
)

SMILE = "\U0001f600"


def written(*edits: Callable[[Doc[Any]], object], skip_gc: bool = False) -> bytes:
    """The state of a document after `edits`, one transaction each."""
    doc: Doc[Any] = Doc(skip_gc=skip_gc)
    for edit in edits:
        with doc.transaction():
            edit(doc)
    return doc.get_update()


def text_root(doc: Doc[Any], name: str = "text") -> Text:
    root: Text = doc.get(name, type=Text)
    return root


def fragment(doc: Doc[Any], *children: XmlElement | XmlText, name: str = "xml") -> None:
    for child in children:
        doc.get(name, type=XmlFragment).children.append(child)


def paragraph(*words: str) -> XmlElement:
    return XmlElement("paragraph", {}, [XmlText(word) for word in words])


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(lambda doc: text_root(doc, "r").insert(0, f"a{SMILE}b"), RootType.TEXT, id="text with an emoji"),
        pytest.param(lambda doc: text_root(doc, "r").insert_embed(0, {"a": 1}), RootType.TEXT, id="text of an embed"),
        pytest.param(lambda doc: doc.get("r", type=Array).append(f"a{SMILE}b"), RootType.ARRAY, id="array of strings"),
        pytest.param(lambda doc: doc.get("r", type=Array).append(Map({"k": 1})), RootType.ARRAY, id="array of maps"),
        pytest.param(lambda doc: doc.get("r", type=Array).append(Doc()), RootType.ARRAY, id="array of subdocuments"),
        pytest.param(lambda doc: doc.get("r", type=Map).update({"k": f"{SMILE}"}), RootType.MAP, id="map of strings"),
        pytest.param(lambda doc: doc.get("r", type=Map).update({"k": Text("x")}), RootType.MAP, id="map of texts"),
        pytest.param(lambda doc: fragment(doc, paragraph("x"), name="r"), RootType.XML_FRAGMENT, id="xml elements"),
        pytest.param(lambda doc: fragment(doc, XmlText("x"), name="r"), RootType.XML_FRAGMENT, id="xml text"),
    ],
)
def test_a_root_is_what_it_holds(edit: Callable[[Doc[Any]], object], expected: RootType) -> None:
    assert root_types(written(edit)) == {"r": expected}


@pytest.mark.parametrize("skip_gc", [False, True])
def test_seven_roots_of_one_document(skip_gc: bool) -> None:
    state = written(
        lambda doc: text_root(doc).insert(0, f"a{SMILE}b"),
        lambda doc: text_root(doc, "rich").insert(0, "bold", {"bold": True}),
        lambda doc: doc.get("array", type=Array).extend([1, f"{SMILE}", Map({"x": Text("y")})]),
        lambda doc: doc.get("map", type=Map).update({"k": Array([1]), "l": Text("t")}),
        lambda doc: fragment(doc, paragraph("x"), paragraph()),
        lambda doc: text_root(doc, "gone").insert(0, "soon"),
        lambda doc: text_root(doc, "gone").clear(),
        lambda doc: doc.get("unset", type=Map).update({"k": 1}),
        lambda doc: doc.get("unset", type=Map).pop("k"),
        skip_gc=skip_gc,
    )
    assert root_types(state) == {
        "text": RootType.TEXT,
        "rich": RootType.TEXT,
        "array": RootType.ARRAY,
        "map": RootType.MAP,
        "xml": RootType.XML_FRAGMENT,
        # without garbage collection the deleted characters are still there
        "gone": RootType.TEXT if skip_gc else RootType.UNKNOWN,
        "unset": RootType.MAP,
    }


def test_a_text_is_known_by_what_stands_beside_deleted_characters() -> None:
    state = written(
        lambda doc: text_root(doc, "r").insert(0, "abcdef"),
        lambda doc: text_root(doc, "r").__delitem__(slice(0, 3)),
    )
    assert root_types(state) == {"r": RootType.TEXT}


def test_an_edit_beside_something_collected_says_nothing() -> None:
    assert root_types(update(section(1, 0, gc(2), text("x", origin=(1, 1))))) == {}


def test_long_chains_and_deep_trees_need_no_recursion() -> None:
    chain = [text("x", parent="r"), *(text("x", origin=(1, nth)) for nth in range(20_000))]
    assert root_types(update(section(1, 0, *chain))) == {"r": RootType.TEXT}
    backwards = [item(DELETED, b"\x01", parent="r"), *(text("x", right_origin=(1, nth)) for nth in range(20_000))]
    assert root_types(update(section(1, 0, *backwards))) == {"r": RootType.TEXT}
    assert root_types(nested_types(5_000)) == {"m": RootType.MAP}


@pytest.mark.parametrize("reader", [root_types, document_text])
def test_an_unscanned_update_is_scanned(reader: Callable[[bytes], object]) -> None:
    with pytest.raises(LimitExceeded):
        reader(REFUSED["any-arrays"].update)
    with pytest.raises(MalformedMessage):
        reader(REFUSED["trailing-byte"].update)


def test_limits_can_be_given() -> None:
    with pytest.raises(LimitExceeded):
        document_text(SHARED_STATE, ScanLimits(structs=0))


# -- text


def test_a_text_is_given_exactly() -> None:
    words = f"  a{SMILE}b é שלום\n\n"
    assert document_text(written(lambda doc: text_root(doc).insert(0, words))) == words
    assert document_text(SHARED_STATE) == f"a{SMILE}b"


def test_marks_and_embeds_are_not_text() -> None:
    state = written(
        lambda doc: text_root(doc).insert(0, "some words", {"bold": True}),
        lambda doc: text_root(doc).insert_embed(4, {"image": SMILE}),
    )
    assert document_text(state) == "some words"


def test_roots_come_in_order_of_their_names_and_empty_ones_not_at_all() -> None:
    state = written(
        lambda doc: text_root(doc, "b").insert(0, "second"),
        lambda doc: text_root(doc, "a").insert(0, "first"),
        lambda doc: text_root(doc, "aa").insert(0, "gone"),
        lambda doc: text_root(doc, "aa").clear(),
        lambda doc: doc.get("array", type=Array).append("no text"),
        lambda doc: doc.get("map", type=Map).update({"k": Text("no text")}),
        lambda doc: fragment(doc, paragraph("third"), name="c"),
    )
    assert document_text(state) == "first\nsecond\nthird"


@pytest.mark.parametrize("state", [update(), written(lambda doc: text_root(doc).insert(0, ""))])
def test_an_empty_document_has_no_text(state: bytes) -> None:
    assert document_text(state) == ""


def test_blocks_are_lines() -> None:
    state = written(
        lambda doc: fragment(
            doc,
            XmlElement("heading", {"level": "1"}, [XmlText(f"Title {SMILE}")]),
            paragraph(),
            XmlElement(
                "bulletList",
                {},
                [
                    XmlElement("listItem", {}, [paragraph("one"), paragraph("more")]),
                    XmlElement("listItem", {}, [paragraph("two")]),
                ],
            ),
            paragraph("the ", "end"),
        )
    )
    assert document_text(state) == f"Title {SMILE}\n\none\nmore\ntwo\nthe end"


def test_a_hard_break_ends_a_line_and_inline_elements_do_not() -> None:
    state = written(
        lambda doc: fragment(
            doc,
            XmlElement(
                "paragraph",
                {},
                [
                    XmlText("a"),
                    XmlElement("hardBreak"),
                    XmlText("b"),
                    XmlElement("mention", {}, [XmlText("@c")]),
                    XmlText("d"),
                ],
            ),
            XmlElement("paragraph", {}, [XmlElement("hard_break")]),
            paragraph("e"),
        )
    )
    assert document_text(state) == "a\nb@cd\n\n\ne"


def test_marked_text_in_xml_has_no_tags() -> None:
    def edit(doc: Doc[Any]) -> None:
        fragment(doc, paragraph("plain bold"))
        words = doc.get("xml", type=XmlFragment).children[0].children[0]
        words.format(6, 10, {"strong": {}})

    assert document_text(written(edit)) == "plain bold"


def test_deep_elements_need_no_recursion() -> None:
    element = shared_type(XML_ELEMENT_TYPE, parent="xml") + b"\x01e"
    inner = [shared_type(XML_ELEMENT_TYPE, parent=(1, nth)) + b"\x01e" for nth in range(3_000)]
    assert document_text(update(section(1, 0, element, *inner))) == ""
    assert root_types(update(section(1, 0, shared_type(MAP_TYPE, parent="xml")))) == {"xml": RootType.ARRAY}
