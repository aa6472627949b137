"""What the figures of the web app rest on: the documents that are opened, and what is made of the measurements."""

import pytest
from pycrdt import Doc, XmlElement, XmlFragment

from bench.app import percentiles, updates, words


@pytest.mark.parametrize("count", [300, 100_000])
def test_a_document_has_as_many_words_as_it_says_and_the_same_each_time(count: int) -> None:
    assert words(count) == words(count)
    doc: Doc[XmlFragment] = Doc()
    for update in updates(words(count)):
        assert len(update) < 1_000_000
        doc.apply_update(update)
    blocks = list(doc.get("default", type=XmlFragment).children)
    assert len(blocks) == count // 100
    text = [" ".join(str(child) for child in block.children) for block in blocks if isinstance(block, XmlElement)]
    assert " ".join(text).split(" ") == words(count)
    assert "z" not in " ".join(text), "what is typed could not be told from what was there"


def test_percentiles_are_measurements() -> None:
    assert percentiles([float(number) for number in range(100, 0, -1)]) == {
        "p50": 51.0,
        "p95": 96.0,
        "p99": 100.0,
        "most": 100.0,
    }
    assert set(percentiles([3.0]).values()) == {3.0}
