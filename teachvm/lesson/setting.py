"""The machine room of a lesson: its front matter made into a world's specification, and the words its guests bring."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from teachvm.guest import loader
from teachvm.guest.image import GuestError
from teachvm.guest.library import GUESTS, PROGRAMS, SOURCE_SUFFIX
from teachvm.guest.symbols import Symbols
from teachvm.host.costs import COST_BY_KEY
from teachvm.isa.assembler.errors import AsmError
from teachvm.isa.assembler.resolver import FolderResolver, ResolveError
from teachvm.lesson import schema
from teachvm.lesson.expressions import Known
from teachvm.lesson.folder import Folder, in_lesson
from teachvm.lesson.milestones import REASONS
from teachvm.lesson.problems import Complaints, Place, Problem, did_you_mean, one_of, printable, quoted
from teachvm.lesson.yamldoc import Document, Path
from teachvm.world.build import image_of
from teachvm.world.spec import HostSpec, ProgramSpec, SpecError, VmSpec, WorldSpec, check


@dataclass(frozen=True, slots=True)
class Setting:
    """What is run, and which words expressions may use about it."""

    spec: WorldSpec
    known: Known


def set_up(front: schema.FrontMatter, document: Document, folder: Folder, complaints: Complaints) -> Setting:
    """Make the specification of a lesson's world; what is wrong with it is complained about at its place."""
    host = front.host
    _costs(host, document, complaints)
    _hosts(front, document, complaints)
    vms = tuple(
        VmSpec(
            vm.name,
            vm.guest,
            vm.memory,
            vm.technique,
            vm.paging,
            tuple(ProgramSpec(program.name, program.argument) for program in vm.programs),
        )
        for vm in front.vms
    )
    # An unknown one was told of by name already.
    costs = tuple((key, cycles) for key, cycles in host.costs.items() if key in COST_BY_KEY)
    spec = WorldSpec(HostSpec(host.name, host.memory, host.quantum, vms, costs))
    try:
        check(spec)
    except SpecError as error:
        complaints.error(document.key_place(("vms",)), str(error))
    guests = _Guests(front, vms, document, folder, complaints)
    guests.build()
    known = Known(
        vms=tuple(vm.name for vm in vms),
        labels=guests.labels,
        processes=frozenset(guests.processes),
        reasons=REASONS,
    )
    return Setting(spec, known)


class _Guests:
    """Builds every guest once, so that mistakes in it and in labels are found before anything runs."""

    def __init__(
        self,
        front: schema.FrontMatter,
        specs: tuple[VmSpec, ...],
        document: Document,
        folder: Folder,
        complaints: Complaints,
    ) -> None:
        self._front = front
        self._specs = specs
        self._document = document
        self._folder = folder
        self._complaints = complaints
        self.labels: dict[str, frozenset[str]] = {}
        self.processes: set[str] = set()

    def build(self) -> None:
        for index, vm in enumerate(self._front.vms):
            named = self._named("guest", vm.guest, GUESTS, ("vms", index, "guest"))
            for number, program in enumerate(vm.programs):
                path = ("vms", index, "programs", number)
                named &= self._named("program", program.name, PROGRAMS, path)
            if named:
                self._build(index, vm)

    def _named(self, what: str, name: str, shipped: Collection[str], path: Path) -> bool:
        """Whether the name is a shipped one or a source in the lesson's folder; complains if not."""
        if name in shipped:
            return True
        place = self._document.place((*path, "name"))
        if not name.endswith(SOURCE_SUFFIX) and "/" not in name and "\\" not in name:
            hint = did_you_mean(name, shipped) or f"; there is {one_of(sorted(shipped))}, or a {SOURCE_SUFFIX} file"
            self._complaints.error(place, f"no {what} is called {quoted(name)}{hint}")
            return False
        try:
            FolderResolver(self._folder.path).read(name)
        except ResolveError as error:
            self._complaints.error(place, in_lesson(error))
            return False
        if not name.endswith(SOURCE_SUFFIX):
            self._complaints.error(place, f"a {what} of the lesson's own is a {SOURCE_SUFFIX} file")
            return False
        return True

    def _build(self, index: int, vm: schema.Vm) -> None:
        place = self._document.place(("vms", index, "guest"))
        try:
            image = image_of(self._specs[index], self._folder.path)
            loader.load(image, vm.memory, _nowhere)
        except AsmError as error:
            for found in error.problems:
                message = f"{found.message}, {found.hint}" if found.hint else found.message
                file = self._folder.name_of(found.file)
                self._complaints.add(Problem(file, Place(found.line, found.column), message, printable(found.source)))
        except (GuestError, SpecError) as error:
            self._complaints.error(place, str(error))
        else:
            self._learn(vm.name, image.symbols)

    def _learn(self, vm: str, symbols: Symbols) -> None:
        self.labels[vm] = frozenset(symbols.kernel.assembly.labels)
        for space in symbols.programs:
            for name in (space.name, space.program):
                self.labels[f"{vm}:{name}"] = frozenset(space.assembly.labels)
                self.processes.add(name)


def _nowhere(_address: int, _content: bytes) -> None:
    """Memory of a guest that is only looked at."""


def _hosts(front: schema.FrontMatter, document: Document, complaints: Complaints) -> None:
    for index, vm in enumerate(front.vms):
        if vm.host is not None and vm.host != front.host.name:
            message = f"there is no host {quoted(vm.host)}{did_you_mean(vm.host, [front.host.name])}"
            complaints.error(document.place(("vms", index, "host")), message)


def _costs(host: schema.Host, document: Document, complaints: Complaints) -> None:
    known = list(COST_BY_KEY)
    for key in host.costs:
        if key not in known:
            message = f"no cost is called {quoted(key)}{did_you_mean(key, known)}"
            complaints.error(document.key_place(("host", "costs", key)), message)
