"""What a world consists of, before it exists: plain values from a lesson, a command line or a test."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from teachvm.host.costs import COST_BY_KEY
from teachvm.vmm.techniques import Choice, Paging, ShadowPolicy, Technique

MIB = 1 << 20
PAGE = 4096
MAX_GUEST_MEMORY_BYTES = 256 * MIB
MAX_HOST_MEMORY_BYTES = 512 * MIB
MAX_VMS = 16
VMM_RESERVE_BYTES = MIB // 4
"""Host memory the VMM needs beside each guest's own: its region there, and room for shadow tables."""


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A program the guest starts, and the number it is given."""

    name: str
    arg: int = 0


@dataclass(frozen=True, slots=True)
class VmSpec:
    """One guest: what runs in it and how it is run.

    `programs` empty means the guest's own default set; `load_at` is where a flat binary is put (0: where the loader
    likes); `debug_ports` adds the ports emulators have for test kernels; `shadow` says how shadow tables are kept in
    step; `walk_cache` that the walker of nested tables remembers where pages lie.
    """

    name: str
    guest: str
    memory_bytes: int = 2 * MIB
    technique: Technique = Technique.TRAP_AND_EMULATE
    paging: Paging = Paging.SHADOW
    programs: tuple[ProgramSpec, ...] = ()
    load_at: int = 0
    debug_ports: bool = False
    shadow: ShadowPolicy = ShadowPolicy.CACHING
    walk_cache: bool = False

    def run_by(self, technique: Technique) -> VmSpec:
        """The same guest run by another technique; who translates for it stays, if the technique has that choice."""
        kept = self.paging in technique.pagings
        return replace(self, technique=technique, paging=self.paging if kept else Paging.SHADOW)


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One physical machine and its tenants; `quantum` is the round-robin time slice in host cycles."""

    name: str = "host"
    memory_bytes: int = 8 * MIB
    quantum: int = 4_000
    vms: tuple[VmSpec, ...] = ()
    costs: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """Everything on one timeline."""

    host: HostSpec = field(default_factory=HostSpec)

    def with_technique(self, technique: Technique, vm: str | None = None) -> WorldSpec:
        """The same world with one guest, or every guest, run by another technique."""
        vms = tuple(spec.run_by(technique) if vm is None or spec.name == vm else spec for spec in self.host.vms)
        return replace(self, host=replace(self.host, vms=vms))

    def with_paging(self, choice: Choice) -> WorldSpec:
        """The same world where somebody else translates guest-physical addresses."""
        vms = tuple(replace(spec, paging=choice.paging, walk_cache=choice.walk_cache) for spec in self.host.vms)
        return replace(self, host=replace(self.host, vms=vms))

    def with_shadow(self, policy: ShadowPolicy) -> WorldSpec:
        """The same world where shadow tables are kept in step another way."""
        vms = tuple(replace(spec, shadow=policy) for spec in self.host.vms)
        return replace(self, host=replace(self.host, vms=vms))

    def with_cost(self, key: str, cycles: int) -> WorldSpec:
        """The same world where one line of the cost table is another."""
        costs = {**dict(self.host.costs), key: cycles}
        return replace(self, host=replace(self.host, costs=tuple(costs.items())))


class SpecError(ValueError):
    """A world that cannot be built; the message says what is wrong and what to do."""


def _check_names(host: HostSpec) -> None:
    names = [vm.name for vm in host.vms]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"two VMs are called '{name}'; give each its own name")
        if name == host.name:
            raise SpecError(f"a VM and its host are both called '{name}'; give the VM another name")


def check(spec: WorldSpec) -> None:
    """Refuse what cannot be built.

    Raises:
        SpecError: Too much memory, names used twice, unknown costs, or techniques that cannot share one host.
    """
    host = spec.host
    _check_names(host)
    for key, _ in host.costs:
        if key not in COST_BY_KEY:
            raise SpecError(f"no cost is called '{key}'; there are {', '.join(COST_BY_KEY)}")
    if not host.vms:
        raise SpecError(f"host '{host.name}' has no guest; give it at least one entry under vms")
    if len(host.vms) > MAX_VMS:
        raise SpecError(f"host '{host.name}' has {len(host.vms)} VMs; at most {MAX_VMS} are allowed")
    if host.memory_bytes > MAX_HOST_MEMORY_BYTES:
        raise SpecError(f"host '{host.name}' has more than {MAX_HOST_MEMORY_BYTES // MIB} MiB of memory")
    bare = [vm for vm in host.vms if vm.technique is Technique.BARE_METAL]
    if bare and len(host.vms) > 1:
        raise SpecError("bare metal runs one operating system; with several guests choose another technique")
    for vm in host.vms:
        if vm.memory_bytes > MAX_GUEST_MEMORY_BYTES or vm.memory_bytes % PAGE:
            raise SpecError(f"{vm.name} cannot have {vm.memory_bytes} bytes of memory: whole pages, at most 256 MiB")
        if vm.paging is Paging.NESTED and vm.paging not in vm.technique.pagings:
            raise SpecError(f"{vm.name}: nested page tables need technique {Technique.HARDWARE_ASSIST.value}")
    needed = sum(vm.memory_bytes for vm in host.vms) + (0 if bare else VMM_RESERVE_BYTES * len(host.vms))
    if needed > host.memory_bytes:
        raise SpecError(
            f"the guests need {needed // 1024} KiB with the VMM, but host '{host.name}' has "
            f"{host.memory_bytes // 1024} KiB; give the host more memory"
        )
