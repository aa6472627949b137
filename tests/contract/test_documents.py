"""The contract of `storage.documents.Documents`, on every adapter."""

import pytest

from collab.errors import DocumentNotFound, StoreUnavailable
from collab.ports import UpdateLog
from collab.types import DocumentId
from storage.documents import TITLE_CHARACTERS_MAX, DocumentInfo, Documents
from storage.errors import DocumentExists
from tests.contract.conftest import START_MS, Store, WallClock

A = DocumentId("notes/a")


async def create(documents: Documents, **titles: str) -> None:
    for name, title in titles.items():
        await documents.create(DocumentId(name), title)


async def found(documents: Documents, query: str) -> list[str]:
    return [info.id for info in await documents.list(limit=100, query=query)]


async def test_a_new_document_is_empty_and_not_in_the_bin(documents: Documents) -> None:
    info = await documents.create(A, "Plan")
    assert info == DocumentInfo(A, "Plan", info.epoch, head=info.head, **times())  # type: ignore[arg-type]
    assert info.head == 0
    assert await documents.get(A) == info


def times(deleted_at_ms: int | None = None) -> dict[str, int | None]:
    return {"created_at_ms": START_MS, "updated_at_ms": START_MS, "deleted_at_ms": deleted_at_ms}


@pytest.mark.rule("D1")
async def test_a_name_can_be_taken_once(documents: Documents) -> None:
    first = await documents.create(A, "first")
    with pytest.raises(DocumentExists):
        await documents.create(A, "second")
    await documents.delete(A)
    with pytest.raises(DocumentExists):
        await documents.create(A, "third")
    assert (await documents.restore(A)) == first


@pytest.mark.rule("D1")
async def test_a_name_is_taken_by_a_document_that_came_into_being_by_loading(
    documents: Documents, log: UpdateLog
) -> None:
    loaded = await log.load(A, create=True)
    with pytest.raises(DocumentExists):
        await documents.create(A, "mine")
    info = await documents.get(A)
    assert (info.epoch, info.title) == (loaded.epoch, "")


@pytest.mark.rule("D2")
async def test_a_document_that_does_not_exist_is_adopted_in_the_epoch_of_a_copy(documents: Documents) -> None:
    epoch, other = "0123456789abcdef" * 2, "f" * 32
    await documents.adopt(A, epoch)
    await documents.adopt(A, other)
    assert (await documents.get(A)).epoch == epoch
    existing = await documents.create(DocumentId("b"), "B")
    await documents.adopt(DocumentId("b"), other)
    assert await documents.get(DocumentId("b")) == existing
    await documents.adopt(DocumentId("c"), "no epoch")
    with pytest.raises(DocumentNotFound):
        await documents.get(DocumentId("c"))


async def test_names_that_differ_in_case_are_different_documents(documents: Documents) -> None:
    await create(documents, a="small", A="large")
    assert (await documents.get(DocumentId("a"))).title == "small"
    assert (await documents.get(DocumentId("A"))).title == "large"


@pytest.mark.rule("D2")
async def test_documents_are_listed_in_the_order_of_the_bytes_of_their_names(documents: Documents) -> None:
    names = ["a", "B", "_", "a/b", "a-b", "a.b", "A", "~", "10", "9", "b", "a:b"]
    for name in names:
        await documents.create(DocumentId(name), "")
    assert [info.id for info in await documents.list(limit=100)] == sorted(names, key=str.encode)


async def test_a_list_continues_behind_the_last_one_seen(documents: Documents) -> None:
    await create(documents, a="", b="", c="", d="", e="")
    pages: list[list[str]] = []
    last: DocumentId | None = None
    while page := await documents.list(after=last, limit=2):
        pages.append([info.id for info in page])
        last = page[-1].id
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert [info.id for info in await documents.list(after=DocumentId("bb"), limit=2)] == ["c", "d"]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_list_needs_a_limit(documents: Documents, limit: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        await documents.list(limit=limit)


@pytest.mark.rule("D4")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("ÜBER", ["a"]),
        ("über", ["a"]),
        ("u\N{COMBINING DIAERESIS}ber", ["a"]),
        ("strasse", ["b"]),
        ("STRASSE", ["b"]),
        ("%", ["c"]),
        ("_", ["d_d"]),
        ("\\", ["e"]),
        ("/", ["f"]),
        ("D_D", ["d_d"]),
        ("0%", ["c"]),
        ("'", ["g"]),
        ("*", []),
        ("a b", []),
        ("", ["a", "b", "c", "d_d", "e", "f", "g"]),
        ("x" * 100_000, []),
        ("nul\0", []),
        ("\ud800", []),
    ],
)
async def test_a_search_takes_every_character_as_itself_but_ignores_case(
    documents: Documents, query: str, names: list[str]
) -> None:
    await create(
        documents, a="Über uns", b="Große Straße", c="100% sure", d_d="", e="back\\slash", f="and/or", g="it's"
    )
    assert await found(documents, query) == names


@pytest.mark.rule("D4")
async def test_a_search_looks_at_the_new_title_after_renaming(documents: Documents) -> None:
    await create(documents, x="Old")
    await documents.rename(DocumentId("x"), "NEW")
    assert (await found(documents, "old"), await found(documents, "new")) == ([], ["x"])


@pytest.mark.rule("D3")
async def test_deleting_moves_into_the_bin_and_restoring_out_of_it(documents: Documents, clock: WallClock) -> None:
    created = await documents.create(A, "Plan")
    clock.now_ms += 1
    deleted = await documents.delete(A)
    assert deleted.deleted_at_ms == START_MS + 1
    assert await documents.get(A) == deleted
    assert await documents.list(limit=10) == []
    assert await documents.list(limit=10, deleted=True) == [deleted]
    assert await documents.restore(A) == created
    assert await documents.list(limit=10) == [created]
    assert await documents.list(limit=10, deleted=True) == []


@pytest.mark.rule("D3")
async def test_deleting_and_restoring_twice_is_the_same_as_once(documents: Documents, clock: WallClock) -> None:
    created = await documents.create(A, "Plan")
    first = await documents.delete(A)
    clock.now_ms += 1
    assert await documents.delete(A) == first
    assert await documents.restore(A) == await documents.restore(A) == created


async def test_renaming_changes_the_title_and_the_time_also_in_the_bin(documents: Documents, clock: WallClock) -> None:
    await documents.create(A, "Plan")
    await documents.delete(A)
    clock.now_ms += 1
    renamed = await documents.rename(A, "Plan B 🎈")
    assert (renamed.title, renamed.updated_at_ms, renamed.deleted_at_ms) == ("Plan B 🎈", START_MS + 1, START_MS)
    assert await documents.get(A) == renamed


@pytest.mark.parametrize("title", ["x" * (TITLE_CHARACTERS_MAX + 1), "two\nlines", "nul\0", "\x7f", "\ud800"])
async def test_titles_that_no_database_can_store_are_refused(documents: Documents, title: str) -> None:
    with pytest.raises(ValueError, match="a title has"):
        await documents.create(A, title)
    await documents.create(A, "x" * TITLE_CHARACTERS_MAX)
    with pytest.raises(ValueError, match="a title has"):
        await documents.rename(A, title)


async def test_what_does_not_exist_is_not_found(documents: Documents) -> None:
    for call in (documents.get(A), documents.rename(A, "x"), documents.delete(A), documents.restore(A)):
        with pytest.raises(DocumentNotFound):
            await call


@pytest.mark.rule("E7")
async def test_a_closed_store_refuses_everything_and_may_be_closed_again(store: Store) -> None:
    await store.ping()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    with pytest.raises(StoreUnavailable):
        await store.documents.list(limit=1)
    with pytest.raises(StoreUnavailable):
        await store.log.load(A, create=True)
