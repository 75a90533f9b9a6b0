"""From a specification to a world: the one place where the pieces of the machine room are put together."""

from __future__ import annotations

from teachvm.guest import library, loader
from teachvm.guest.image import GuestError, Image
from teachvm.host.bare import BareGuest
from teachvm.host.costs import CostModel
from teachvm.host.host import Host
from teachvm.host.scheduler import RoundRobin
from teachvm.machine.computer import Machine
from teachvm.trace.recorder import Recorder
from teachvm.vmm.foreign import ForeignVm
from teachvm.vmm.hypercalls import HYPERCALL_VECTOR, INSTRUCTION
from teachvm.vmm.techniques import Technique, Translation
from teachvm.vmm.vm import Vm
from teachvm.world.spec import HostSpec, SpecError, VmSpec, WorldSpec, check
from teachvm.world.world import Guest, World


def build(spec: WorldSpec, folder: library.Folder | None = None) -> World:
    """Make a world whose guests are loaded and stand at their first instruction.

    Args:
        spec: What it consists of.
        folder: Where guests and programs of one's own lie; nothing outside it is read.

    Raises:
        SpecError: The specification cannot be built.
        GuestError, AsmError: A guest cannot be built or loaded.
    """
    check(spec)
    asked = spec.host
    recorder = Recorder()
    machine = Machine(asked.name, asked.memory_bytes, recorder, debug_ports=_bare_debug(asked))
    host = Host(machine, recorder, name=asked.name, scheduler=RoundRobin(asked.quantum), costs=CostModel(asked.costs))
    images = [image_of(vm, folder) for vm in asked.vms]
    if asked.vms[0].technique is Technique.BARE_METAL:
        guest = _bare(host, asked.vms[0], images[0])
        return World(spec, recorder, host, {guest.name: guest})
    guests = [_virtual(host, vm, image) for vm, image in zip(asked.vms, images, strict=True)]
    return World(spec, recorder, host, {guest.name: guest for guest in guests})


def _bare_debug(asked: HostSpec) -> bool:
    """Whether the machine itself has debug ports: those of the guest that owns it."""
    return asked.vms[0].debug_ports and asked.vms[0].technique is Technique.BARE_METAL


def image_of(vm: VmSpec, folder: library.Folder | None) -> Image:
    """The image a VM starts with: of a shipped guest, the build its technique needs.

    Raises:
        SpecError: It is code of a processor that the technique cannot run.
        GuestError, AsmError: There is no such guest, or it was not built for this technique.
    """
    programs = [(program.name, program.arg) for program in vm.programs]
    paravirtual = vm.technique is Technique.PARAVIRTUAL
    image = library.build(vm.guest, programs, folder, vm.load_at, paravirtual=paravirtual)
    _check_processor(vm, image)
    if paravirtual and not any(INSTRUCTION in content for _, content in image.segments):
        raise GuestError(
            f"this guest does not know hypercalls: {vm.guest} was built for a machine and has no int "
            f"{HYPERCALL_VECTOR:#x}; choose another technique"
        )
    return image


def _bare(host: Host, vm: VmSpec, image: Image) -> Guest:
    tenant = BareGuest(host)
    machine = host.machine
    loader.load(image, vm.memory_bytes, machine.memory.write_bytes)
    loader.start(machine.cpu, image)
    machine.cpu.restored()
    return Guest(tenant.name, vm, image, machine.board)


def _check_processor(vm: VmSpec, image: Image) -> None:
    """Refuse to run code of another processor by any technique but emulation.

    Raises:
        SpecError: That was asked for.
    """
    if image.riscv and vm.technique is not Technique.EMULATION:
        raise SpecError(
            f"{vm.guest} is code for a RISC-V processor, which {vm.technique.label.lower()} cannot run: "
            f"only technique {Technique.EMULATION.value} can"
        )


def _foreign(host: Host, asked: VmSpec, image: Image) -> Guest:
    vm = ForeignVm(host, asked.name, asked.memory_bytes)
    loader.load(image, asked.memory_bytes, vm.memory.write_bytes)
    vm.cpu.pc = image.entry
    return Guest(vm.name, asked, image, vm.board)


def _virtual(host: Host, asked: VmSpec, image: Image) -> Guest:
    if image.riscv:
        return _foreign(host, asked, image)
    vm = Vm(
        host,
        asked.name,
        asked.memory_bytes,
        technique=asked.technique,
        translation=Translation(asked.paging, asked.shadow, asked.walk_cache),
        debug_ports=asked.debug_ports,
    )
    loader.load(image, asked.memory_bytes, vm.memory.write_bytes)
    loader.start(vm.vcpu.cpu, image)
    vm.vcpu.cpu.restored()
    return Guest(vm.name, asked, image, vm.board)
