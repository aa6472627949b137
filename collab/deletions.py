"""What is deleted in a document, for the question whether somebody's update deletes more."""

from bisect import bisect_right

from collab.structs import StructTable


class Deletions:
    """
    Args:
        update: one with all deletions of the document; its structs do not matter.
    """

    def __init__(self, update: bytes) -> None:
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[int]] = {}
        for client, start, end in StructTable(update).deletions():
            starts, ends = self._starts.setdefault(client, []), self._ends.setdefault(client, [])
            if ends and start <= ends[-1]:
                ends[-1] = max(end, ends[-1])
            else:
                starts.append(start)
                ends.append(end)

    def cover(self, update: bytes) -> bool:
        """Whether everything that a scanned update deletes is deleted already."""
        return all(self._has(*deleted) for deleted in StructTable(update).deletions())

    def _has(self, client: int, start: int, end: int) -> bool:
        nth = bisect_right(self._starts.get(client, ()), start) - 1
        return nth >= 0 and end <= self._ends[client][nth]
