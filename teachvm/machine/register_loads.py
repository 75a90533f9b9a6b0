"""Registers set between two instructions by somebody outside, with the checks of the instruction that loads them.

What a debugger on the processor's debug port does. Privilege is not asked for: whoever is outside is in no ring.

Source: Intel SDM Vol. 2A/2B, MOV, LLDT, LTR, JMP; Vol. 3A, §5.6 to §5.8 (which descriptor a register takes).
"""

from __future__ import annotations

from typing import Final

from teachvm.isa.operands import REGISTER_NAMES, SEGMENT_NAMES
from teachvm.machine.cpu import Cpu
from teachvm.machine.selectors import load_data_segment, load_ldtr, load_tr, require_code_descriptor
from teachvm.machine.transfers import far_jump

GENERAL: Final = tuple(name.upper() for name in REGISTER_NAMES[32])
DATA_SEGMENTS: Final = tuple(name.upper() for name in SEGMENT_NAMES if name != "cs")
SELECTORS: Final = ("CS", *DATA_SEGMENTS, "LDTR", "TR")
"""Registers that are given a selector; the hidden part is what a descriptor table has."""
DEBUG: Final = {f"DR{index}": index for index in (0, 1, 2, 3, 6, 7)}


def load_register(cpu: Cpu, name: str, value: int) -> None:
    """Set a register, or nothing at all.

    A data segment is loaded as by MOV, LDTR and TR as by LLDT and LTR, CS as by a jump to the present EIP in another
    segment, which cannot change the privilege level.

    Args:
        cpu: The processor, at an instruction boundary.
        name: `EAX` to `EDI`, `EIP`, `EFLAGS`, `CR0`, `CR2` to `CR4`, one of `SELECTORS` or of `DEBUG`.
        value: 32 bits, of a selector 16.

    Raises:
        Fault: What loading it raises.
        CpuStopped: It would leave protected mode.
        ValueError: There is no such register.
    """
    match name:
        case "EIP":
            cpu.eip = value
        case "EFLAGS":
            cpu.eflags = value
        case "CR0":
            cpu.write_cr0(value)
        case "CR2":
            cpu.cr2 = value
        case "CR3":
            cpu.write_cr3(value)
        case "CR4":
            cpu.write_cr4(value)
        case "CS":
            # A gate or a task would lead elsewhere.
            require_code_descriptor(cpu, value)
            far_jump(cpu, value, cpu.eip)
        case "LDTR":
            load_ldtr(cpu, value)
        case "TR":
            load_tr(cpu, value)
        case _ if name in DATA_SEGMENTS:
            load_data_segment(cpu, SEGMENT_NAMES.index(name.lower()), value)
        case _ if name in DEBUG:
            cpu.write_debug_register(DEBUG[name], value)
        case _:
            cpu.regs[GENERAL.index(name)] = value
