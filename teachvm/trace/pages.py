"""Contents of a memory at each checkpoint, stored once per changed page."""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_right, insort
from functools import cache
from typing import Protocol

PAGE_BYTES = 4096
VERSION_BYTES = 160
"""What remembering one version of a page takes beside its contents, about."""
_ZERO = bytes(PAGE_BYTES)
_PACKED_ZERO = b""
_ONE_VALUE = tuple(bytes([value]) * PAGE_BYTES for value in range(256))
"""Pages filled with one value: so guests leave most of a large memory."""


class PagedMemory(Protocol):
    """A memory that can be read and written by page and knows which pages were written."""

    @property
    def page_count(self) -> int:
        """Number of 4 096-byte pages."""

    def page(self, pfn: int) -> bytes:
        """Copy of one page."""

    def set_page(self, pfn: int, content: bytes) -> None:
        """Replace one page and whatever is derived from it, without making it dirty."""

    def dirty_pages(self) -> list[int]:
        """Pages written since `clean`, each once."""

    def clean(self) -> None:
        """Forget which pages were written; the next write to any page makes it dirty again."""


class PageHistory:
    """Versions of pages by checkpoint number; a page not listed at a checkpoint is as at the one before.

    The memory always equals the contents at `base` but for its dirty pages. A page with no version is all zeroes.

    A version is kept as it is, or packed: shorter than a page then, one byte if the page is filled with that, and empty
    if it is all zeroes.
    """

    def __init__(self, memory: PagedMemory) -> None:
        self._memory = memory
        self._numbers: list[int] = []
        self._changed: dict[int, set[int]] = {}
        self._versions: dict[int, dict[int, bytes]] = {}
        self._order: dict[int, list[int]] = {}
        self._hashes: dict[int, bytes] = {}
        self._fresh: list[tuple[int, int]] = []
        """Versions that `pack` has not seen: page and checkpoint."""
        self.base = -1
        self.stored_bytes = 0

    def commit(self, number: int) -> int:
        """Make the present contents the contents at checkpoint `number`, which does not lie before `base`.

        Later checkpoints keep their contents. A page that holds what it held anyway takes no room: so passing a
        checkpoint again stores nothing.

        Returns:
            Pages that had been written.
        """
        later = self._numbers[bisect_right(self._numbers, number) :]
        if number not in self._changed:
            self._changed[number] = set()
            insort(self._numbers, number)
        dirty = self._memory.dirty_pages()
        for pfn in dirty:
            self._hashes.pop(pfn, None)
            now, then = self._memory.page(pfn), self._content(pfn, number)
            if now == then:
                continue
            if later and pfn not in self._changed[later[0]]:
                self._add(pfn, later[0], then)
            self._add(pfn, number, now)
        self.base = number
        self._memory.clean()
        return len(dirty)

    def restore(self, number: int) -> None:
        """Give the memory the contents it had at checkpoint `number`."""
        low, high = sorted((self.base, number))
        pages = set(self._memory.dirty_pages())
        first, last = bisect_right(self._numbers, low), bisect_right(self._numbers, high)
        for between in self._numbers[first:last]:
            pages |= self._changed[between]
        for pfn in sorted(pages):
            self._memory.set_page(pfn, self._content(pfn, number))
            self._hashes.pop(pfn, None)
        self._memory.clean()
        self.base = number

    def drop(self, number: int) -> None:
        """Forget one checkpoint; the following one takes over what changed in it."""
        position = self._numbers.index(number)
        following = self._numbers[position + 1] if position + 1 < len(self._numbers) else None
        for pfn in self._changed.pop(number):
            content = self._versions[pfn].pop(number)
            self._order[pfn].remove(number)
            if following is None or following in self._versions[pfn]:
                self.stored_bytes -= len(content) + VERSION_BYTES
            else:
                self._versions[pfn][following] = content
                insort(self._order[pfn], following)
                self._changed[following].add(pfn)
                if len(content) == PAGE_BYTES:
                    self._fresh.append((pfn, following))
        self._numbers.remove(number)

    def pack(self) -> None:
        """Make every version as small as it can quickly be made."""
        for pfn, number in self._fresh:
            content = self._versions[pfn].get(number)
            if content is not None and len(content) == PAGE_BYTES:
                packed = _PACKED_ZERO if content == _ZERO else zlib.compress(content, 1)
                if len(packed) < PAGE_BYTES:
                    self._versions[pfn][number] = packed
                    self.stored_bytes -= PAGE_BYTES - len(packed)
        self._fresh.clear()

    def digest_into(self, sink: hashlib.blake2b) -> None:
        """Feed the present contents to a hash; all-zero pages do not count, so lazily backed memory stays so."""
        dirty = set(self._memory.dirty_pages())
        for pfn in sorted(dirty | self._versions.keys()):
            if pfn in dirty:
                content = _hash(self._memory.page(pfn))
            else:
                content = self._hashes.get(pfn) or self._hashes.setdefault(pfn, _hash(self._memory.page(pfn)))
            if content != _ZERO_HASH:
                sink.update(pfn.to_bytes(4, "little") + content)

    def _add(self, pfn: int, number: int, content: bytes) -> None:
        versions = self._versions.setdefault(pfn, {})
        if content == _ONE_VALUE[content[0]]:
            content = content[:1] if content[0] else _PACKED_ZERO
        if number in versions:
            self.stored_bytes += len(content) - len(versions[number])
        else:
            insort(self._order.setdefault(pfn, []), number)
            self.stored_bytes += len(content) + VERSION_BYTES
        versions[number] = content
        if len(content) == PAGE_BYTES:
            self._fresh.append((pfn, number))
        self._changed[number].add(pfn)

    def _content(self, pfn: int, number: int) -> bytes:
        order = self._order.get(pfn, ())
        position = bisect_right(order, number)
        if not position:
            return _ZERO
        content = self._versions[pfn][order[position - 1]]
        if len(content) == PAGE_BYTES:
            return content
        if len(content) > 1:
            return zlib.decompress(content)
        return _ONE_VALUE[content[0]] if content else _ZERO


def _hash(content: bytes) -> bytes:
    if content == _ONE_VALUE[content[0]]:
        return _hash_of_one(content[0])
    return hashlib.blake2b(content, digest_size=16).digest()


@cache
def _hash_of_one(value: int) -> bytes:
    return hashlib.blake2b(_ONE_VALUE[value], digest_size=16).digest()


_ZERO_HASH = _hash(_ZERO)
