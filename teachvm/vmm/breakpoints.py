"""A guest's breakpoints while it runs deprivileged: the hardware's debug registers hold them.

MOV to and from debug registers traps, so that the guest only ever reads what it wrote; the hardware breaks for it.

Source: Intel SDM Vol. 3B, §17.2; KVM loads a guest's debug registers on entry in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from teachvm.isa.control import DR6_B, DR6_BS, DR6_FIXED, DR7_ENABLED, DR7_FIXED, DR7_GD
from teachvm.machine.cpu import Cpu
from teachvm.vmm.region import VMM_BASE

MET: Final = DR6_B | DR6_BS
"""What the hardware sets in DR6 on the guest's behalf."""


def load_breakpoints(hardware: Cpu, virtual: Sequence[int]) -> None:
    """Make the guest's breakpoints the hardware's, before the guest is resumed.

    Those in the VMM's region stay out: the guest gets there through the software CPU only, which has them too, and the
    VMM itself must not meet them. So does general detect, since MOV to a debug register traps anyway.
    """
    if not (virtual[7] | hardware.dr[7]) & DR7_ENABLED:
        return
    inside = sum(3 << 2 * number for number in range(4) if virtual[number] >= VMM_BASE)
    wanted = [*virtual[:4], 0, 0, DR6_FIXED, virtual[7] & ~(DR7_GD | inside) | DR7_FIXED]
    if wanted != hardware.dr:
        hardware.dr[:] = wanted
        hardware.arm()


def take_met(virtual: Cpu, hardware: Cpu) -> None:
    """A #DB of the guest's own came to the VMM: its debug registers say why, and no longer the hardware's."""
    virtual.dr[6] |= hardware.dr[6] & MET
    virtual.dr[7] &= ~DR7_GD
    hardware.dr[6] &= ~MET


def seen(virtual: Sequence[int], hardware: Sequence[int]) -> tuple[int, ...]:
    """What the guest would read of its debug registers while the hardware runs it."""
    return (*virtual[:6], virtual[6] | hardware[6] & MET, virtual[7])
