"""Facts of non-root mode and of nested paging: past tense, stamped by the recorder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from teachvm.machine.events import PageWalked, WalkReferenced
from teachvm.trace.events import Event
from teachvm.vmm.events import GuestResumed, VmmEntered


class WalkReference(NamedTuple):
    """One memory reference of a two-dimensional page walk.

    Attributes:
        level: `pde` or `pte` of the guest's tables, `nested-pde` or `nested-pte` of the VMM's.
        address: Of the entry: guest-physical for the guest's, host-physical for the VMM's.
        host_address: Where the entry lies in RAM.
        entry: Its value when read.
        gpa: What a nested reference translates; for the guest's own the same as `address`.
    """

    level: str
    address: int
    host_address: int
    entry: int
    gpa: int

    @property
    def nested(self) -> bool:
        """Whether it is a reference to the VMM's tables."""
        return self.level.startswith("nested")


@dataclass(frozen=True, slots=True)
class VmExited(VmmEntered):
    """The hardware left non-root mode. A phase; `vector` is -1 unless an exception or interrupt caused the exit.

    Attributes:
        number: Basic exit reason.
        name: The same by name.
        qualification: Exit qualification.
    """

    number: int = 0
    name: str = ""
    qualification: int = 0


@dataclass(frozen=True, slots=True)
class NestedReferenced(WalkReferenced):
    """The page walker in non-root mode read one entry, of the guest's tables or of the nested ones. A phase.

    Attributes:
        host_address: Where the entry lies in RAM.
        gpa: See `WalkReference`.
    """

    host_address: int
    gpa: int

    @property
    def nested(self) -> bool:
        """Whether it is a reference to the VMM's tables."""
        return self.level.startswith("nested")


@dataclass(frozen=True, slots=True)
class NestedPageWalked(PageWalked):
    """A two-dimensional page walk ended; `steps` are the guest's entries and `frame` is guest-physical.

    Attributes:
        host_frame: Host-physical address of the frame, or None after a fault.
        references: Every memory reference, in order.
    """

    host_frame: int | None
    references: tuple[WalkReference, ...]


@dataclass(frozen=True, slots=True)
class NestedFilled(Event):
    """A nested entry was written: the hardware can now reach the guest-physical page. A phase.

    Attributes:
        vm: Whose.
        gpa: Guest-physical address of the page.
        hpa: Host-physical address of the page.
        entry: The nested entry.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    gpa: int
    hpa: int
    entry: int


@dataclass(frozen=True, slots=True)
class PagingSwitched(Event):
    """The VMM changed who translates a guest-physical address; the guest sees nothing of it.

    Attributes:
        vm: Whose.
        paging: `shadow` or `nested`, from now on.
    """

    vm: str
    paging: str


@dataclass(frozen=True, slots=True)
class GuestEntered(GuestResumed):
    """The VMM executed VM entry: the hardware runs the guest again, in non-root mode. A phase."""
