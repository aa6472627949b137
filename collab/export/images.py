"""Images that belong to a document and are kept beside it: found in its state, and put into its tree for an export."""

import re
from collections.abc import Mapping
from typing import Any

from collab.export.tree import Content

SCHEME = "coscribe:files/"
"""What an image's `src` begins with; the SHA-256 of its content follows."""

_REFERENCE = re.compile(rb"coscribe:files/([0-9a-f]{64})")


def images_in(state: bytes) -> list[str]:
    """Digests of the images of which a document's state speaks, each once, in order; perhaps of deleted ones too."""
    return list(dict.fromkeys(found.decode() for found in _REFERENCE.findall(state)))


def embed(content: Content, images: Mapping[str, str]) -> Content:
    """The tree with images in it.

    Args:
        images: `data:` addresses, by digest. Images that are missing stay what they are.
    """
    return {name: _embed(root, images) for name, root in content.items()} if images else content


def _embed(value: Any, images: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_embed(item, images) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "image" and isinstance(value.get("attrs"), dict):
        source = value["attrs"].get("src")
        if isinstance(source, str) and source.startswith(SCHEME):
            found = images.get(source.removeprefix(SCHEME))
            return value if found is None else value | {"attrs": value["attrs"] | {"src": found}}
        return value
    if "content" in value:
        return value | {"content": _embed(value["content"], images)}
    return value
