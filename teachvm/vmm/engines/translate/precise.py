"""From the middle of translated code back to the guest's own registers.

Source: Adams & Agesen, ASPLOS 2006, §3.2 (precise exceptions); the records come from the translator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from teachvm.isa.flags import AF, CF, IF, IOPL_MASK, OF, PF, SF, STATUS, ZF
from teachvm.isa.operands import EAX, ECX, ESP
from teachvm.vmm.engines.translate.fields import FLAGS, SPILL_FS
from teachvm.vmm.engines.translate.records import CacheInsn, FlagsIn, Fragment, Landing, Recover
from teachvm.vmm.view import Precise

CALL_BYTES: Final = 2
"""A call to the VMM is an INT."""
_AH_FLAGS: Final = SF | ZF | AF | PF | CF


class Place(NamedTuple):
    """One instruction of the cache and the fragment it belongs to; None for common code and landings."""

    insn: CacheInsn
    fragment: int | None


def places(common: Iterable[CacheInsn], fragments: Iterable[Fragment], landings: Iterable[Landing]) -> dict[int, Place]:
    """Every instruction of the cache that can be executed, by its address."""
    found = {insn.address: Place(insn, None) for insn in common}
    for landing in landings:
        found.update((insn.address, Place(insn, None)) for insn in landing.code)
    for fragment in fragments:
        found.update((insn.address, Place(insn, fragment.start)) for insn in (*fragment.code, *fragment.stubs))
    return found


class Captured:
    """Finds single instructions among captured records; nothing is indexed, because a moment is asked for a few."""

    def __init__(self, common: Iterable[CacheInsn], fragments: Iterable[Fragment], landings: Iterable[Landing]) -> None:
        self._common = tuple(common)
        self._fragments = tuple(fragments)
        self._landings = tuple(landings)

    def get(self, address: int) -> Place | None:
        """The instruction at an address of the cache, or None."""
        for fragment in self._fragments:
            near = fragment.start <= address < fragment.end
            for insn in fragment.code if near else fragment.stubs:
                if insn.address == address:
                    return Place(insn, fragment.start)
        others = (*self._common, *(insn for landing in self._landings for insn in landing.code))
        return next((Place(insn, None) for insn in others if insn.address == address), None)


class Known(Protocol):
    """Instructions of the cache by address."""

    def get(self, address: int, /) -> Place | None:
        """The one at an address, or None."""


class Recovery:
    """Knows where the guest's registers are at each instruction of the cache."""

    def __init__(self, known: Known, read: Callable[[int], int]) -> None:
        """Hold on to what is needed.

        Args:
            known: By address.
            read: A doubleword of the VCPU's fields.
        """
        self.known = known
        self.read = read

    def _at(self, address: int) -> Recover:
        """What is known of an instruction; a call that was just made has left EIP behind it."""
        place = self.known.get(address) or self.known.get(address - CALL_BYTES)
        assert place is not None, f"{address:#x} is no place in the cache"
        return place.insn.recover

    def shadow(self, address: int) -> bool:
        """Whether the guest's instruction before was STI."""
        return self._at(address).shadow

    def boundary(self, address: int) -> tuple[int, ...]:
        """EIPs of the guest instructions that are begun at an instruction of the cache; none inside one.

        With the instruction before an elided jump, that is executed as well: it has no place of its own.
        """
        place = self.known.get(address)
        if place is None or place.insn.recover.eip is None or not place.insn.recover.clean:
            return ()
        eip = place.insn.recover.eip
        return (eip, eip + len(place.insn.bytes) & 0xFFFF_FFFF) if place.insn.completes > 1 else (eip,)

    def registers(self, regs: Sequence[int], address: int, eflags: int) -> Precise:
        """The guest's registers, while the hardware is about to execute the instruction at an address of the cache."""
        recover = self._at(address)
        held = list(regs)
        eax, found = held[EAX], list(held)
        for register, offset in recover.restore:
            found[register] = self.read(offset)
        found[ESP] = found[ESP] + recover.esp & 0xFFFF_FFFF
        if recover.flags is FlagsIn.AX:
            overflow = eax & 0xFF in (1, 0x80)
            eflags = eflags & ~STATUS | eax >> 8 & _AH_FLAGS | (OF if overflow else 0)
        kept = self.read(FLAGS)
        if recover.keep:
            kept = kept & ~(IF | IOPL_MASK) | (held[ECX] & 0xFF) << 8 & (IF | IOPL_MASK)
        own = self.read(SPILL_FS) & 0xFFFF if recover.lent else None
        return Precise(found, eax if recover.eip is None else recover.eip, eflags, kept, recover.shadow, own)
