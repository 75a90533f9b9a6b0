"""The fields of the control structure: one table, with VT-x's names and encodings.

Where a field lies in the structure is the processor's own business; software reaches it by its encoding. Ours lie one
after another in the order of this table, which a view may show as they are.

Source: Intel SDM Vol. 3C, ch. 24 (virtual-machine control structures); Vol. 3D, appendix B (field encoding).
Deviation: fields for features this processor does not have (SMM, 64-bit mode, performance counters) do not exist.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Self


class Group(Enum):
    """What a field is for; the value is its heading."""

    EXIT = "VM-exit information"
    CONTROL = "VM-execution control"
    EXIT_CONTROL = "VM-exit control"
    ENTRY_CONTROL = "VM-entry control"
    GUEST = "Guest state"
    HOST = "Host state"


_E, _C, _G, _H = Group.EXIT, Group.CONTROL, Group.GUEST, Group.HOST


class Field(Enum):
    """One field: its encoding, label and group."""

    label: str
    group: Group

    EXIT_REASON = (0x4402, "Exit reason", _E)
    EXIT_QUALIFICATION = (0x6400, "Exit qualification", _E)
    EXIT_INTERRUPTION = (0x4404, "VM-exit interruption information", _E)
    EXIT_ERROR = (0x4406, "VM-exit interruption error code", _E)
    VECTORING = (0x4408, "IDT-vectoring information", _E)
    VECTORING_ERROR = (0x440A, "IDT-vectoring error code", _E)
    EXIT_LENGTH = (0x440C, "VM-exit instruction length", _E)
    GUEST_LINEAR = (0x640A, "Guest-linear address", _E)
    GUEST_PHYSICAL = (0x2400, "Guest-physical address", _E)

    PIN_BASED = (0x4000, "Pin-based controls", _C)
    PROCESSOR_BASED = (0x4002, "Primary processor-based controls", _C)
    SECONDARY = (0x401E, "Secondary processor-based controls", _C)
    EXCEPTION_BITMAP = (0x4004, "Exception bitmap", _C)
    FAULT_MASK = (0x4006, "Page-fault error-code mask", _C)
    FAULT_MATCH = (0x4008, "Page-fault error-code match", _C)
    IO_BITMAP_A = (0x2000, "Address of I/O bitmap A", _C)
    IO_BITMAP_B = (0x2002, "Address of I/O bitmap B", _C)
    MSR_BITMAP = (0x2004, "Address of MSR bitmaps", _C)
    TSC_OFFSET = (0x2010, "TSC offset", _C)
    NESTED_POINTER = (0x201A, "EPT pointer", _C)
    VPID = (0x0000, "Virtual-processor identifier", _C)
    CR0_MASK = (0x6000, "CR0 guest/host mask", _C)
    CR4_MASK = (0x6002, "CR4 guest/host mask", _C)
    CR0_SHADOW = (0x6004, "CR0 read shadow", _C)
    CR4_SHADOW = (0x6006, "CR4 read shadow", _C)

    EXIT_CONTROLS = (0x400C, "VM-exit controls", Group.EXIT_CONTROL)

    ENTRY_CONTROLS = (0x4012, "VM-entry controls", Group.ENTRY_CONTROL)
    ENTRY_INTERRUPTION = (0x4016, "VM-entry interruption information", Group.ENTRY_CONTROL)
    ENTRY_ERROR = (0x4018, "VM-entry exception error code", Group.ENTRY_CONTROL)
    ENTRY_LENGTH = (0x401A, "VM-entry instruction length", Group.ENTRY_CONTROL)

    GUEST_CR0 = (0x6800, "Guest CR0", _G)
    GUEST_CR3 = (0x6802, "Guest CR3", _G)
    GUEST_CR4 = (0x6804, "Guest CR4", _G)
    GUEST_DR7 = (0x681A, "Guest DR7", _G)
    GUEST_RSP = (0x681C, "Guest RSP", _G)
    GUEST_RIP = (0x681E, "Guest RIP", _G)
    GUEST_RFLAGS = (0x6820, "Guest RFLAGS", _G)
    GUEST_ES = (0x0800, "Guest ES selector", _G)
    GUEST_CS = (0x0802, "Guest CS selector", _G)
    GUEST_SS = (0x0804, "Guest SS selector", _G)
    GUEST_DS = (0x0806, "Guest DS selector", _G)
    GUEST_FS = (0x0808, "Guest FS selector", _G)
    GUEST_GS = (0x080A, "Guest GS selector", _G)
    GUEST_LDTR = (0x080C, "Guest LDTR selector", _G)
    GUEST_TR = (0x080E, "Guest TR selector", _G)
    GUEST_ES_BASE = (0x6806, "Guest ES base", _G)
    GUEST_CS_BASE = (0x6808, "Guest CS base", _G)
    GUEST_SS_BASE = (0x680A, "Guest SS base", _G)
    GUEST_DS_BASE = (0x680C, "Guest DS base", _G)
    GUEST_FS_BASE = (0x680E, "Guest FS base", _G)
    GUEST_GS_BASE = (0x6810, "Guest GS base", _G)
    GUEST_LDTR_BASE = (0x6812, "Guest LDTR base", _G)
    GUEST_TR_BASE = (0x6814, "Guest TR base", _G)
    GUEST_ES_LIMIT = (0x4800, "Guest ES limit", _G)
    GUEST_CS_LIMIT = (0x4802, "Guest CS limit", _G)
    GUEST_SS_LIMIT = (0x4804, "Guest SS limit", _G)
    GUEST_DS_LIMIT = (0x4806, "Guest DS limit", _G)
    GUEST_FS_LIMIT = (0x4808, "Guest FS limit", _G)
    GUEST_GS_LIMIT = (0x480A, "Guest GS limit", _G)
    GUEST_LDTR_LIMIT = (0x480C, "Guest LDTR limit", _G)
    GUEST_TR_LIMIT = (0x480E, "Guest TR limit", _G)
    GUEST_ES_ACCESS = (0x4814, "Guest ES access rights", _G)
    GUEST_CS_ACCESS = (0x4816, "Guest CS access rights", _G)
    GUEST_SS_ACCESS = (0x4818, "Guest SS access rights", _G)
    GUEST_DS_ACCESS = (0x481A, "Guest DS access rights", _G)
    GUEST_FS_ACCESS = (0x481C, "Guest FS access rights", _G)
    GUEST_GS_ACCESS = (0x481E, "Guest GS access rights", _G)
    GUEST_LDTR_ACCESS = (0x4820, "Guest LDTR access rights", _G)
    GUEST_TR_ACCESS = (0x4822, "Guest TR access rights", _G)
    GUEST_GDTR_BASE = (0x6816, "Guest GDTR base", _G)
    GUEST_GDTR_LIMIT = (0x4810, "Guest GDTR limit", _G)
    GUEST_IDTR_BASE = (0x6818, "Guest IDTR base", _G)
    GUEST_IDTR_LIMIT = (0x4812, "Guest IDTR limit", _G)
    INTERRUPTIBILITY = (0x4824, "Guest interruptibility state", _G)
    ACTIVITY = (0x4826, "Guest activity state", _G)
    PENDING_DEBUG = (0x6822, "Guest pending debug exceptions", _G)

    HOST_CR0 = (0x6C00, "Host CR0", _H)
    HOST_CR3 = (0x6C02, "Host CR3", _H)
    HOST_CR4 = (0x6C04, "Host CR4", _H)
    HOST_RSP = (0x6C14, "Host RSP", _H)
    HOST_RIP = (0x6C16, "Host RIP", _H)
    HOST_CS = (0x0C02, "Host CS selector", _H)
    HOST_SS = (0x0C04, "Host SS selector", _H)
    HOST_TR = (0x0C0C, "Host TR selector", _H)
    HOST_TR_BASE = (0x6C0A, "Host TR base", _H)
    HOST_GDTR_BASE = (0x6C0C, "Host GDTR base", _H)
    HOST_IDTR_BASE = (0x6C0E, "Host IDTR base", _H)

    def __new__(cls, encoding: int, label: str, group: Group) -> Self:
        """Keep the columns beside the member; the encoding is its value."""
        member = object.__new__(cls)
        member._value_ = encoding
        member.label = label
        member.group = group
        return member

    @property
    def size(self) -> int:
        """Bytes, by the width in bits 14:13 of the encoding; a natural width is 32 bits here.

        Source: Intel SDM Vol. 3D, appendix B: width 0 is 16 bits, 1 is 64, 2 is 32, 3 is natural.
        """
        return (2, 8, 4, 4)[self.value >> 13 & 3]

    @property
    def read_only(self) -> bool:
        """Whether only the processor writes it: type 1 in bits 11:10 of the encoding."""
        return bool(self.value >> 10 & 3 == 1)


SLOT: Final = 8
"""Bytes from one field to the next."""
FIRST: Final = 8
"""Bytes in front of the first field: the revision identifier and the abort indicator."""
OFFSETS: Final[dict[Field, int]] = {field: FIRST + SLOT * index for index, field in enumerate(Field)}
"""Where each field lies in the structure."""
GUEST_FIELDS: Final = tuple(field for field in Field if field.group is Group.GUEST)


# ---- formats -------------------------------------------------------------------------------------

PIN_EXTERNAL_INTERRUPT: Final = 1 << 0

CPU_INTERRUPT_WINDOW: Final = 1 << 2
CPU_TSC_OFFSETTING: Final = 1 << 3
CPU_HLT: Final = 1 << 7
CPU_INVLPG: Final = 1 << 9
CPU_RDTSC: Final = 1 << 12
CPU_CR3_LOAD: Final = 1 << 15
CPU_CR3_STORE: Final = 1 << 16
CPU_MOV_DR: Final = 1 << 23
CPU_IO_ALWAYS: Final = 1 << 24
CPU_IO_BITMAPS: Final = 1 << 25
CPU_MSR_BITMAPS: Final = 1 << 28
CPU_SECONDARY: Final = 1 << 31

SECONDARY_NESTED: Final = 1 << 1
SECONDARY_DESCRIPTOR_TABLES: Final = 1 << 2
SECONDARY_VPID: Final = 1 << 5
SECONDARY_WBINVD: Final = 1 << 6
SECONDARY_UNRESTRICTED: Final = 1 << 7

CONTROL_BITS: Final[dict[Field, dict[int, str]]] = {
    Field.PIN_BASED: {PIN_EXTERNAL_INTERRUPT: "external-interrupt exiting"},
    Field.PROCESSOR_BASED: {
        CPU_INTERRUPT_WINDOW: "interrupt-window exiting",
        CPU_TSC_OFFSETTING: "use TSC offsetting",
        CPU_HLT: "HLT exiting",
        CPU_INVLPG: "INVLPG exiting",
        CPU_RDTSC: "RDTSC exiting",
        CPU_CR3_LOAD: "CR3-load exiting",
        CPU_CR3_STORE: "CR3-store exiting",
        CPU_MOV_DR: "MOV-DR exiting",
        CPU_IO_ALWAYS: "unconditional I/O exiting",
        CPU_IO_BITMAPS: "use I/O bitmaps",
        CPU_MSR_BITMAPS: "use MSR bitmaps",
        CPU_SECONDARY: "activate secondary controls",
    },
    Field.SECONDARY: {
        SECONDARY_NESTED: "enable EPT",
        SECONDARY_DESCRIPTOR_TABLES: "descriptor-table exiting",
        SECONDARY_VPID: "enable VPID",
        SECONDARY_WBINVD: "WBINVD exiting",
        SECONDARY_UNRESTRICTED: "unrestricted guest",
    },
}
"""What each bit of a control field switches on, for views."""

EXIT_ACKNOWLEDGES: Final = 1 << 15
"""VM-exit control: acknowledge the interrupt on exit, so that its vector is in the exit information."""
UNUSABLE: Final = 1 << 16
"""Access rights of a register that holds no usable segment."""
BLOCKED_BY_STI: Final = 1 << 0
BLOCKED_BY_MOV_SS: Final = 1 << 1
ACTIVE, HALTED = 0, 1
PENDING_STEP: Final = 1 << 14
"""BS: a single-step trap is due."""
