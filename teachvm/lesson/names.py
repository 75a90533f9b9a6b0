"""The names a lesson's expressions may use: what each one is, and what it means.

Everything an expression can read stands in these tables; the checker, the evaluator's bindings, `teachvm names` and
the documentation read them. A name is of a *kind*: a scalar (`int`, `bool`, `str`) or a record with named fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.isa.flags import Flag

SCALARS = ("int", "bool", "str")


@dataclass(frozen=True, slots=True)
class Name:
    """A name or a field; `optional` ones have no value at some moments (an entry behind an absent directory entry)."""

    name: str
    kind: str
    explanation: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument; `kind` is a scalar, or says which word is wanted: vm, label, process, milestone, reason.

    Parameters without `keyword` are given by position; of `many` there may be several.
    """

    name: str
    kind: str
    required: bool = False
    keyword: bool = True
    many: bool = False

    @property
    def shown(self) -> str:
        """As it stands in a signature."""
        return f"{self.name}=" if self.keyword else f"{self.name}{'…' * self.many}"


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function of the machine's state."""

    name: str
    kind: str
    parameters: tuple[Parameter, ...]
    explanation: str

    @property
    def signature(self) -> str:
        """As an author writes it: `count('trap', reason=, vm=)`."""
        return f"{self.name}({', '.join(parameter.shown for parameter in self.parameters)})"


VM = Parameter("vm", "vm")
LINEAR = Parameter("linear", "int", required=True, keyword=False)

_REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
_SELECTORS = ("cs", "ss", "ds", "es", "fs", "gs")
_FLAG_MEANING = {
    Flag.CF: "carry",
    Flag.PF: "parity: the low byte of the result has an even number of ones",
    Flag.AF: "carry out of the low four bits",
    Flag.ZF: "the result was zero",
    Flag.SF: "the result was negative",
    Flag.TF: "single-step trap after each instruction",
    Flag.IF: "external interrupts are accepted",
    Flag.DF: "string instructions go downwards",
    Flag.OF: "signed overflow",
    Flag.NT: "nested task",
    Flag.RF: "resume: the next instruction breakpoint is passed over",
    Flag.VM: "virtual-8086 mode",
    Flag.AC: "alignment check",
    Flag.VIF: "virtual copy of IF (needs CR4.VME or PVI)",
    Flag.VIP: "a virtual interrupt is pending (needs CR4.VME or PVI)",
    Flag.ID: "CPUID exists",
}

RECORDS: dict[str, tuple[Name, ...]] = {
    "cpu": (
        *(Name(register, "int", f"general register {register.upper()}") for register in _REGISTERS),
        Name("eip", "int", "offset of the next instruction"),
        Name("eflags", "int", "all flags as one number"),
        Name("flags", "flags", "the flags, one field each"),
        Name("cpl", "int", "current privilege level: the ring, 0 to 3"),
        *(Name(selector, "int", f"selector in {selector.upper()}") for selector in _SELECTORS),
        Name("cr0", "int", "control register 0: PE, WP, PG and others"),
        Name("cr2", "int", "linear address of the last page fault"),
        Name("cr3", "int", "physical address of the page directory"),
        Name("cr4", "int", "control register 4"),
        Name("paging", "bool", "CR0.PG: linear addresses are translated"),
        Name("gdtr", "table", "where the global descriptor table is"),
        Name("idtr", "table", "where the interrupt descriptor table is"),
        Name("ldtr", "int", "selector of the local descriptor table"),
        Name("tr", "int", "selector of the task state segment"),
        Name("halted", "bool", "stopped by HLT until the next interrupt"),
    ),
    "flags": (
        *(Name(str(flag.name), "int", meaning) for flag, meaning in _FLAG_MEANING.items()),
        Name("IOPL", "int", "the least privileged ring that may use CLI, STI, IN and OUT"),
    ),
    "table": (
        Name("base", "int", "linear address of its first byte"),
        Name("limit", "int", "its last valid offset"),
    ),
    "vm": (
        Name("vcpu", "cpu", "what the guest believes its CPU holds"),
        Name("technique", "str", "how it is run, for example 'trap-and-emulate'"),
        Name("console", "str", "all it wrote to its serial port"),
        Name("running", "bool", "its VCPU has the physical CPU, or its VMM works for it right now"),
        Name("ended", "bool", "it will never execute another instruction"),
        Name("instructions", "int", "guest time: instructions it completed, and idle hops"),
        Name("direct", "int", "instructions of it that the processor executed by itself"),
        Name("translated", "int", "instructions of it that the processor executed as rewritten copies"),
        Name("emulated", "int", "instructions of it that the VMM or an interpreter did in the processor's place"),
        Name("entries", "int", "VMM entries so far, for all reasons"),
        Name("vmm_cycles", "int", "host cycles its VMM used so far"),
        Name("memory", "int", "bytes of guest-physical memory"),
    ),
    "walk": (
        Name("linear", "int", "the address that is translated"),
        Name("directory", "int", "bits 31:22: index into the page directory"),
        Name("table", "int", "bits 21:12: index into the page table"),
        Name("offset", "int", "bits 11:0: byte within the page"),
        Name("pde", "entry", "the page-directory entry"),
        Name("pte", "entry", "the page-table entry", optional=True),
        Name("references", "int", "memory references the walk makes"),
        Name("present", "bool", "both entries are present"),
        Name("user", "bool", "ring 3 may use the page: U/S in both entries"),
        Name("writable", "bool", "R/W in both entries"),
        Name("physical", "int", "the translated address", optional=True),
    ),
    "entry": (
        Name("address", "int", "physical address of the entry itself"),
        Name("value", "int", "all 32 bits"),
        Name("present", "bool", "P, bit 0"),
        Name("writable", "bool", "R/W, bit 1"),
        Name("user", "bool", "U/S, bit 2"),
        Name("accessed", "bool", "A, bit 5"),
        Name("dirty", "bool", "D, bit 6"),
        Name("frame", "int", "bits 31:12: physical address of the page or table it points at"),
    ),
    "cached": (
        Name("hit", "bool", "the TLB holds a translation for this page"),
        Name("frame", "int", "physical address of the page, as remembered", optional=True),
        Name("writable", "bool", "R/W of both entries, as remembered", optional=True),
        Name("user", "bool", "U/S of both entries, as remembered", optional=True),
        Name("dirty", "bool", "D, as remembered", optional=True),
    ),
    "measured": (
        Name("silent", "bool", "no exception: whoever waits for a trap is not told"),
        Name("same", "bool", "it did what it does in ring 0"),
        Name("eax", "int", "what it left in EAX"),
        Name("vector", "int", "the exception it raised", optional=True),
        Name("error", "int", "that exception's error code", optional=True),
    ),
    "milestone": (
        Name("happened", "bool", "there was one"),
        Name("n", "int", "moment: instructions completed by then", optional=True),
        Name("phase", "int", "moment: phase within the instruction", optional=True),
        Name("cycles", "int", "host cycles by then", optional=True),
        Name("vm", "str", "the VM it belongs to; 'host' on bare metal", optional=True),
        Name("reason", "str", "why the VMM was entered, or which hypercall it was", optional=True),
        Name("vector", "int", "number of the exception or interrupt", optional=True),
        Name("error", "int", "its error code", optional=True),
        Name("linear", "int", "the linear address it is about", optional=True),
        Name("eip", "int", "address of the instruction it happened at", optional=True),
        Name("instructions", "int", "guest instructions of the piece that was translated", optional=True),
        Name("result", "int", "what a hypercall answered: for mmu-update how many entries were changed", optional=True),
    ),
    "stretch": (
        Name("instructions", "int", "instructions completed, world-wide, and idle hops"),
        Name("cycles", "int", "host cycles that went by"),
        Name("entries", "int", "VMM entries, all VMs and reasons"),
        Name("vmm_cycles", "int", "host cycles the VMMs used"),
    ),
    "moment": (
        Name("n", "int", "instructions completed, world-wide"),
        Name("phase", "int", "visible things inside the present instruction"),
    ),
}

NAMES: tuple[Name, ...] = (
    Name("cpu", "cpu", "what the physical CPU holds at this moment"),
    Name("flags", "flags", "short for cpu.flags"),
    Name("vcpu", "cpu", "VCPU of the VM that has the CPU now, or had it last; on bare metal the CPU itself"),
    Name("moment", "moment", "where the world is on its timeline"),
    Name("cycles", "int", "host cycles so far"),
    Name("stopped", "bool", "no guest will ever execute another instruction"),
    Name("running", "str", "who has the CPU: 'program', 'kernel', 'vmm' or 'hardware'"),
    Name("run", "stretch", "what happened since the last run or task of the lesson began"),
    Name("current", "str", "name of the VM that has the CPU now, or had it last"),
)
"""Names of every lesson; each VM's own name is one more, of kind `vm`."""

FUNCTIONS: tuple[Function, ...] = (
    Function("walk", "walk", (LINEAR, VM), "how the guest's page tables translate an address now; nothing is touched"),
    Function("tlb", "cached", (LINEAR,), "what the TLB remembers about an address"),
    Function(
        "memory",
        "int",
        (LINEAR, Parameter("size", "int"), VM),
        "little-endian number of 1, 2 or 4 bytes (4 unless given) at a linear address of the guest",
    ),
    Function(
        "label",
        "int",
        (
            Parameter("name", "label", required=True, keyword=False),
            VM,
            Parameter("process", "process"),
        ),
        "linear address of a label of the guest kernel, or of one of its programs",
    ),
    Function(
        "at",
        "bool",
        (
            Parameter("label", "label", required=True, keyword=False),
            VM,
            Parameter("process", "process"),
        ),
        "the next instruction of the guest is the one at this label",
    ),
    Function(
        "count",
        "int",
        (
            Parameter("milestone", "milestone", required=True, keyword=False),
            Parameter("reason", "reason"),
            VM,
            Parameter("recent", "bool"),
        ),
        "how often something happened so far; with recent=true, since the last run or task of the lesson began",
    ),
    Function(
        "cost",
        "int",
        (Parameter("reason", "reason"), VM),
        "host cycles used by VMM entries so far, for one reason or all",
    ),
    Function(
        "last",
        "milestone",
        (
            Parameter("milestone", "milestone", required=True, keyword=False),
            VM,
        ),
        "the latest thing of that kind up to now",
    ),
    Function(
        "measured",
        "measured",
        (Parameter("mnemonic", "exhibit", required=True, keyword=False), Parameter("ring", "int")),
        "what a sensitive instruction of the gallery did in a ring (1 unless given) of a machine of its own, just now",
    ),
    Function("console", "str", (Parameter("vm", "vm", keyword=False),), "all a VM wrote to its serial port"),
    Function(
        "printed",
        "int",
        (Parameter("text", "pattern", required=True, keyword=False), VM),
        "the number a VM wrote to its console right after this text, where it stands there last",
    ),
    Function(
        "host",
        "int",
        (Parameter("physical", "int", required=True, keyword=False), VM),
        "host-physical address behind a guest-physical one (the pmap)",
    ),
    Function(
        "bit",
        "int",
        (
            Parameter("value", "int", required=True, keyword=False),
            Parameter("number", "int", required=True, keyword=False),
        ),
        "one bit of a number: 0 or 1",
    ),
    Function(
        "hex",
        "str",
        (Parameter("value", "int", required=True, keyword=False),),
        "a number in hexadecimal, grouped by four digits, as the cards show it",
    ),
)

NAME: dict[str, Name] = {name.name: name for name in NAMES}
FIELD: dict[str, dict[str, Name]] = {kind: {f.name: f for f in fields} for kind, fields in RECORDS.items()}
FUNCTION: dict[str, Function] = {function.name: function for function in FUNCTIONS}

RESERVED = frozenset((*NAME, *FUNCTION, "host", "True", "False", "None", "true", "false", "none"))
"""Words a VM cannot be called; `host` names the machine itself, also as the guest of bare metal."""
