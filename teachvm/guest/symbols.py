"""Names of the places in a guest, one space of names for its kernel and one for each program in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from teachvm.isa.assembler.assembly import Assembly, Span
from teachvm.isa.assembler.errors import did_you_mean


class SpaceKind(Enum):
    """What a space of names belongs to."""

    KERNEL = "kernel"
    PROGRAM = "program"


class UnknownLabelError(LookupError):
    """No such label in the guest; the message is for people and may say which one was meant."""


@dataclass(frozen=True, slots=True)
class Space:
    """One image with labels: the kernel, or one program as often as it was started.

    Programs are linked at the same linear address, so a linear address alone names nothing in them; where the image
    lies in the guest's physical memory does.

    Attributes:
        name: Unique in the guest: `kernel`, `hello`; `ticker#1` and `ticker#2` when a program was started twice.
        kind: Kernel or program.
        program: What was assembled: `tinyos`, `ticker`.
        number: 0 for the kernel, else the program's place in the order of starting, from 1 (tinyos's pid).
        phys: Guest-physical address of the first byte.
        assembly: Bytes, labels, source lines.
        extent: Bytes in memory, where that is more than the image has.
    """

    name: str
    kind: SpaceKind
    program: str
    number: int
    phys: int
    assembly: Assembly
    extent: int = 0
    _addresses: tuple[int, ...] = field(default=(), repr=False)
    _names: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, name: str, kind: SpaceKind, program: str, number: int, phys: int, assembly: Assembly, extent: int = 0
    ) -> Space:
        """Space of an assembly, its labels sorted by address; of several at one address the last written counts."""
        by_address = {assembly.symbols[label]: label for label in assembly.symbols if label in assembly.labels}
        addresses = tuple(sorted(by_address))
        names = tuple(by_address[address] for address in addresses)
        return cls(name, kind, program, number, phys, assembly, extent, addresses, names)

    @property
    def linear(self) -> int:
        """Linear address of the first byte."""
        return self.assembly.origin

    @property
    def size(self) -> int:
        """Bytes of the image in memory."""
        return max(self.extent, len(self.assembly.data))

    def __contains__(self, linear: object) -> bool:
        return isinstance(linear, int) and 0 <= linear - self.linear < self.size

    def called(self, wanted: str) -> bool:
        """Whether a person who wrote `wanted` may mean this space: `ticker` means every ticker."""
        return wanted in (self.name, self.program)

    def label_at(self, linear: int) -> str | None:
        """The label exactly at an address."""
        index = bisect_right(self._addresses, linear) - 1
        return self._names[index] if index >= 0 and self._addresses[index] == linear else None

    def labels_before(self, linear: int) -> tuple[int, ...]:
        """Addresses of two labels at or below an address: the first of the 256 bytes the nearest lies in, and that."""
        index = bisect_right(self._addresses, linear) - 1
        if index < 0:
            return ()
        nearest = self._addresses[index]
        return self._addresses[bisect_left(self._addresses, nearest & ~0xFF)], nearest

    def name_at(self, linear: int) -> str | None:
        """`label` or `label+0x1c` for an address inside the image, by the nearest label at or below it."""
        index = bisect_right(self._addresses, linear) - 1
        if index < 0 or linear not in self:
            return None
        offset = linear - self._addresses[index]
        return f"{self._names[index]}+{offset:#x}" if offset else self._names[index]

    def function_at(self, linear: int) -> str | None:
        """The nearest label at or below an address that is not local to another one."""
        for index in range(bisect_right(self._addresses, linear) - 1, -1, -1):
            if "." not in self._names[index]:
                return self._names[index]
        return None

    def line_at(self, linear: int) -> Span | None:
        """The source line an address came from."""
        return self.assembly.span_at(linear)

    def is_code(self, linear: int) -> bool:
        """Whether an instruction was assembled over an address."""
        return self.assembly.is_code(linear)


@dataclass(frozen=True, slots=True)
class Symbols:
    """All names in a guest."""

    spaces: tuple[Space, ...]

    @property
    def kernel(self) -> Space:
        """The kernel's names."""
        return self.spaces[0]

    @property
    def programs(self) -> tuple[Space, ...]:
        """The programs' names, in order of starting."""
        return self.spaces[1:]

    def space_at(self, phys: int) -> Space | None:
        """The image that lies at a guest-physical address.

        This is how to tell which program a linear address belongs to: translate it first.
        """
        for space in self.spaces:
            if 0 <= phys - space.phys < space.size:
                return space
        return None

    def space(self, wanted: str) -> Space:
        """The one space called so.

        Raises:
            UnknownLabelError: There is none, or several.
        """
        found = [space for space in self.spaces if space.called(wanted)]
        if len(found) == 1:
            return found[0]
        names = ", ".join(space.name for space in self.spaces)
        if found:
            raise UnknownLabelError(f"'{wanted}' is more than one of {names}")
        raise UnknownLabelError(f"nothing called '{wanted}' runs here; there are {names}")

    def name_at(self, linear: int, phys: int) -> str | None:
        """Name of an address, `label+offset`; in a program with the program before it.

        Args:
            linear: The address.
            phys: The guest-physical address it is mapped to.
        """
        space = self.space_at(phys)
        name = None if space is None else space.name_at(linear)
        if space is None or name is None or space.kind is SpaceKind.KERNEL:
            return name
        return f"{space.name}:{name}"

    def where(self, label: str, wanted: str | None = None) -> Iterator[tuple[Space, int]]:
        """Every space that has a label, with its linear address there.

        Args:
            label: Full name: `sched_lock`, `sched_lock.try`.
            wanted: Only spaces called so; None looks in the kernel first and, if it has none, in all programs.

        Raises:
            UnknownLabelError: Nobody has it.
        """
        if wanted is None:
            spaces = [self.kernel] if label in self.kernel.assembly.labels else list(self.spaces)
        else:
            spaces = [space for space in self.spaces if space.called(wanted)]
            if not spaces:
                self.space(wanted)
        found = [space for space in spaces if label in space.assembly.labels]
        if not found:
            known = {name for space in spaces for name in space.assembly.labels}
            hint = did_you_mean(label, sorted(known))
            raise UnknownLabelError(f"no label '{label}' in {spaces[0].program}" + (f", {hint}" if hint else ""))
        for space in found:
            yield space, space.assembly.symbols[label]

    def address_of(self, label: str, wanted: str | None = None) -> int:
        """Linear address of a label; the same in every instance of a program.

        Raises:
            UnknownLabelError: Nobody has it, or programs have it at different addresses.
        """
        places = list(self.where(label, wanted))
        if len({address for _, address in places}) > 1:
            names = ", ".join(space.name for space, _ in places)
            raise UnknownLabelError(f"label '{label}' is in {names}; say which process is meant")
        return places[0][1]
