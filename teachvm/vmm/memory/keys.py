"""What shadow directories and tables are made from, and found again by."""

from __future__ import annotations

from typing import Final, NamedTuple

FLAT: Final = -1
"""Stands for the page directory, or table, of a guest with paging off: gVA = gPA."""


class DirectoryKey(NamedTuple):
    """What a shadow directory was made from: a guest directory, and CR0.WP, which changes what entries mean."""

    gfn: int
    wp: bool


class TableKey(NamedTuple):
    """What a shadow table was made from.

    Attributes:
        gfn: The guest table; the guest directory for a 4 MB page; `FLAT`.
        place: Directory index of a 4 MB page or a flat table; -1 for a guest table, which may stand anywhere.
        rights: U/S and R/W of the directory entries it stands behind.
        wp: CR0.WP.
    """

    gfn: int
    place: int
    rights: int
    wp: bool
