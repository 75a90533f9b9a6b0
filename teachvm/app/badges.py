"""What becomes of an instruction that matters to a VMM, as a badge: it depends on the technique.

Read from what is there: the control structure's fields in memory, the records of the translation cache, the rows of
instructions.
"""

from __future__ import annotations

from typing import Final

from teachvm.app.presentation import CodeLine
from teachvm.app.scene import Scene
from teachvm.app.wording import Badge, Role, Tip
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.operands import Creg, Imm
from teachvm.isa.row import InstructionClass
from teachvm.vmm.engines.paravirtual import FIRST_FREE
from teachvm.vmm.engines.translate.records import Origin
from teachvm.vmm.hypercalls import HYPERCALL_VECTOR
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.vmm.vmx import fields as f
from teachvm.vmm.vmx.fields import OFFSETS, Field
from teachvm.vmm.vmx.nonroot import always

_SDM_EXITS: Final = "Intel SDM Vol. 3C, §25.1"

_SHOWN: Final[dict[Origin, tuple[Role, str]]] = {
    Origin.REPLACED: ("vmm", "ring"),
    Origin.CALLOUT: ("vmm", "lock"),
    Origin.SIMULATED: ("vmm", "lock"),
}
"""What is worth a badge in a listing; copied instructions and branches are most of it."""

INTERPRETED: Final = Badge(
    "interpreted",
    "vmm",
    "info",
    Tip(
        "Interpreted",
        "No instruction of this guest runs on the processor: a program does what it says.",
        "Popek & Goldberg, CACM 17(7) 1974, p. 413",
    ),
)


class Badges:
    """Gives instructions of one guest at one moment their badges."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._origins = _origins(scene)
        self._controls = _controls(scene) if scene.technique is Technique.HARDWARE_ASSIST else (0, 0)

    def of(self, line: CodeLine) -> Badge | None:
        """The badge of an instruction; `line` has that of its class."""
        match self._scene.technique:
            case Technique.EMULATION:
                return None
            case Technique.BINARY_TRANSLATION:
                return self._translated(line)
            case Technique.HARDWARE_ASSIST if line.badge is not None:
                insn = _decoded(line)
                return line.badge if insn is None else self._assisted(insn)
            case Technique.PARAVIRTUAL if line.badge is not None:
                insn = _decoded(line)
                return line.badge if insn is None else _paravirtual(insn) or line.badge
            case _:
                return line.badge

    def _translated(self, line: CodeLine) -> Badge | None:
        origin = self._origins.get(line.address)
        if origin is None:
            return line.badge
        shown = _SHOWN.get(origin)
        if shown is None:
            return None
        role, icon = shown
        return Badge(origin.value, role, icon, Tip(origin.value, origin.explanation, "Adams & Agesen, ASPLOS 2006, §3"))

    def _assisted(self, insn: Insn) -> Badge:
        """Whether the control structure asks for an exit, as it stands."""
        certain = self._exits(insn)
        klass = insn.row.klass
        if certain is None:
            tip = Tip("May exit", "It exits if it changes a bit, or names a register, that the VMM keeps.", _SDM_EXITS)
            return Badge("may exit", "vmm", "lock", tip)
        if certain:
            return Badge("exits", "vmm", "lock", Tip("Exits", "The control structure asks for it.", _SDM_EXITS))
        text = "No exit: in non-root mode it acts on the guest’s own registers and flags, and on nothing else."
        name = "direct" if klass is InstructionClass.SENSITIVE_UNPRIVILEGED else f"{_CLASSES[klass]} · direct"
        return Badge(name, "good", "tick", Tip("Direct", text, _SDM_EXITS))

    def _exits(self, insn: Insn) -> bool | None:
        primary, secondary = self._controls
        match insn.row.intercept:
            case "IO_INSTRUCTION":
                return True
            case "INVLPG":
                return bool(primary & f.CPU_INVLPG)
            case "MSR_READ" | "MSR_WRITE":
                return None
            case "CR_ACCESS":
                return self._control_register(insn, primary)
            case None:
                return False
            case name:
                return always(name, primary, secondary)

    def _control_register(self, insn: Insn, primary: int) -> bool | None:
        registers = [operand.index for operand in insn.operands if isinstance(operand, Creg)]
        if not registers:
            return None
        reads = isinstance(insn.operands[-1], Creg)
        if registers[0] == 3:
            return bool(primary & (f.CPU_CR3_STORE if reads else f.CPU_CR3_LOAD))
        return False if reads or registers[0] == 2 else None


_CLASSES: Final = {
    InstructionClass.PRIVILEGED: "privileged",
    InstructionClass.IOPL_SENSITIVE: "IOPL",
    InstructionClass.INNOCUOUS: "",
}


def _decoded(line: CodeLine) -> Insn | None:
    try:
        return decode(bytes.fromhex(line.code))
    except (DecodeError, ValueError):
        return None


def _paravirtual(insn: Insn) -> Badge | None:
    """A software interrupt of a guest that knows: to the VMM, or past it."""
    if insn.row.mnemonic != "INT" or not isinstance(insn.operands[0], Imm):
        return None
    vector = insn.operands[0].value & 0xFF
    if vector == HYPERCALL_VECTOR:
        tip = Tip("Hypercall", "The kernel asks the VMM, as a program asks a kernel.", "Barham et al., SOSP 2003, §3.2")
        return Badge("hypercall", "vmm", "lock", tip)
    if vector >= FIRST_FREE:
        text = "Once the kernel has named its handler, the gate leads there directly: the VMM does not run."
        return Badge("past the VMM", "good", "tick", Tip("Past the VMM", text, "Barham et al., SOSP 2003, §3.3.1"))
    return None


def _origins(scene: Scene) -> dict[int, Origin]:
    """What became of each instruction that is translated, by linear address; empty where nothing is."""
    path = f"{scene.vm}.cache"
    if path not in scene.snapshot:
        return {}
    cache = scene.snapshot.state(path)
    return {
        fragment.linear + insn.eip - fragment.eip & 0xFFFF_FFFF: insn.origin
        for _, fragment in cache.fragments
        if fragment.valid
        for insn in fragment.guest
    }


def _controls(scene: Scene) -> tuple[int, int]:
    """Primary and secondary processor-based controls, from the control structure in memory."""
    tenant = scene.snapshot.world.host.tenants[scene.vm]
    assert isinstance(tenant, Vm)
    address = tenant.engine.structure.address  # type: ignore[attr-defined]  # hardware assist has one
    primary = scene.read_host(address + OFFSETS[Field.PROCESSOR_BASED], 4)
    return primary, scene.read_host(address + OFFSETS[Field.SECONDARY], 4)
