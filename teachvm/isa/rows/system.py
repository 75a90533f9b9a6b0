"""System instructions: descriptor-table registers, control and debug registers, caches, MSRs, ports, interrupts, HLT.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 3A, §5.9 (privileged instructions) and §2.8; Vol. 1,
I/O protection; exits by Vol. 3C, Appendix C.
"""

from typing import Final

from teachvm.isa.flags import IF, IOPL_MASK, STATUS
from teachvm.isa.row import NO_FLAGS, FlagEffects, InstructionClass, Row

_ROBIN_IRVINE: Final = "Robin & Irvine 2000"
_PRIVILEGED_SOURCE: Final = "Intel SDM Vol. 3A, §5.9"
_ALL_UNDEFINED: Final = FlagEffects(written=STATUS, undefined=STATUS)


def _privileged(
    encoding: str,
    syntax: str,
    reason: str,
    *,
    intercept: str | None,
    flags: FlagEffects = NO_FLAGS,
    terminator: bool = False,
) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.PRIVILEGED,
        flags=flags,
        intercept=intercept,
        terminator=terminator,
        reason=f"{reason}; #GP(0) outside ring 0.",
        source=_PRIVILEGED_SOURCE,
    )


def _stores(encoding: str, syntax: str, reason: str, intercept: str | None) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        intercept=intercept,
        reason=reason,
        source=_ROBIN_IRVINE,
    )


def _port(encoding: str, syntax: str) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.IOPL_SENSITIVE,
        intercept="IO_INSTRUCTION",
        reason="Allowed if CPL <= IOPL; else the TSS I/O bitmap decides for each port, and #GP(0) if it says no.",
        source="Intel SDM Vol. 1, I/O protection",
    )


def _interrupt_flag(encoding: str, syntax: str, verb: str) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.IOPL_SENSITIVE,
        flags=FlagEffects(written=IF, tested=IOPL_MASK),
        reason=f"{verb} IF if CPL <= IOPL, else raises #GP(0): a VMM keeps the real IOPL below its guest's ring, so "
        "that it traps.",
        source="Intel SDM Vol. 2A/2B, CLI and STI",
    )


# CR1 and CR5..CR7 have no row and are undefined opcodes.
_CONTROL_REGISTERS: Final = tuple(
    row
    for number, what in (
        (0, "the switches for protection, paging and write protection"),
        (2, "the faulting address of the last page fault"),
        (3, "the page directory's address"),
        (4, "the switches for extensions such as 4 MiB pages"),
    )
    for row in (
        _privileged(
            f"0F 20 /{number}", f"MOV Rd,CR{number}", f"Reads {what}", intercept="CR_ACCESS", flags=_ALL_UNDEFINED
        ),
        _privileged(
            f"0F 22 /{number}", f"MOV CR{number},Rd", f"Writes {what}", intercept="CR_ACCESS", flags=_ALL_UNDEFINED
        ),
    )
)

ROWS: Final[tuple[Row, ...]] = (
    _stores(
        "0F 01 /0", "SGDT Ms", "Stores the one real GDTR: the guest sees the VMM's table, not its own.", "GDTR_IDTR"
    ),
    _stores(
        "0F 01 /1", "SIDT Ms", "Stores the one real IDTR: the guest sees the VMM's table, not its own.", "GDTR_IDTR"
    ),
    _privileged("0F 01 /2", "LGDT Ms", "Replaces the global descriptor table", intercept="GDTR_IDTR"),
    _privileged("0F 01 /3", "LIDT Ms", "Replaces the interrupt descriptor table", intercept="GDTR_IDTR"),
    _stores(
        "0F 01 /4",
        "SMSW Rv/Mw",
        "Stores the low half of the real CR0: the guest sees PE and TS as the VMM set them.",
        None,
    ),
    _privileged("0F 01 /6", "LMSW Ew", "Writes the low four bits of CR0", intercept="CR_ACCESS"),
    _privileged("0F 01 /7", "INVLPG M", "Drops one page from the TLB", intercept="INVLPG"),
    _privileged("0F 06", "CLTS", "Clears CR0.TS", intercept="CR_ACCESS"),
    _privileged("0F 08", "INVD", "Throws the caches away without writing them back", intercept="INVD"),
    _privileged("0F 09", "WBINVD", "Writes the caches back and empties them", intercept="WBINVD"),
    *_CONTROL_REGISTERS,
    _privileged("0F 21 /r", "MOV Rd,Dd", "Reads a debug register", intercept="DR_ACCESS", flags=_ALL_UNDEFINED),
    _privileged("0F 23 /r", "MOV Dd,Rd", "Writes a debug register", intercept="DR_ACCESS", flags=_ALL_UNDEFINED),
    _privileged("0F 30", "WRMSR", "Writes a model-specific register", intercept="MSR_WRITE"),
    _privileged("0F 32", "RDMSR", "Reads a model-specific register", intercept="MSR_READ"),
    _privileged("F4", "HLT", "Stops the processor until an interrupt", intercept="HLT", terminator=True),
    Row(
        "0F 31",
        "RDTSC",
        intercept="RDTSC",
        reason="Allowed in every ring while CR4.TSD = 0; with TSD = 1 it raises #GP(0) outside ring 0. Unless it is "
        "made to trap it shows the guest the real passage of time.",
        source="Intel SDM Vol. 2B, RDTSC",
    ),
    Row(
        "0F A2",
        "CPUID",
        intercept="CPUID",
        reason="Never faults in any ring: run directly, the guest sees the real processor's identity.",
        source="Intel SDM Vol. 2A, CPUID",
    ),
    _interrupt_flag("FA", "CLI", "Clears"),
    _interrupt_flag("FB", "STI", "Sets"),
    _port("E4 ib", "IN AL,Ib"),
    _port("E5 ib", "IN eAX,Ib"),
    _port("E6 ib", "OUT Ib,AL"),
    _port("E7 ib", "OUT Ib,eAX"),
    _port("EC", "IN AL,DX"),
    _port("ED", "IN eAX,DX"),
    _port("EE", "OUT DX,AL"),
    _port("EF", "OUT DX,eAX"),
)
