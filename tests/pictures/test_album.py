"""Nothing of the web app is without a picture in `docs/pictures.md`."""

from tests.pictures import album
from tests.pictures.scenes import SCENES


def test_every_page_and_dialog_has_a_picture() -> None:
    """`make pictures` takes them; a page or dialog that is new needs a scene in `scenes.py` first."""
    shown = album.shown()
    assert album.routes() - shown == set()
    assert album.components() - shown - album.WITHOUT_PICTURES == set()


def test_what_the_index_shows_is_there_and_nothing_else() -> None:
    linked = album.linked()
    assert len(set(linked)) == len(linked)
    assert set(linked) == {path.name for path in album.PICTURES.glob("*.webp")}


def test_every_scene_was_photographed() -> None:
    """In light and dark, on a phone where there is such a thing, and from right to left."""
    missing = [
        f"{scene.entry.slug}-{variant}"
        for scene in SCENES
        for variant in scene.variants
        if not (album.PICTURES / f"{scene.entry.slug}-{variant}.webp").exists()
    ]
    assert missing == []


def test_names_are_given_once() -> None:
    slugs = [scene.entry.slug for scene in SCENES]
    assert len(set(slugs)) == len(slugs)


def test_the_pictures_stay_small() -> None:
    assert sum(path.stat().st_size for path in album.PICTURES.glob("*.webp")) < 6_500_000
