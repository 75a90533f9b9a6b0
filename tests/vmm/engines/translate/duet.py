"""One small kernel twice: translated in a VM, and by a plain interpreter, compared after each instruction."""

from __future__ import annotations

from teachvm.isa.assembler import assemble
from teachvm.vmm.engines.translate.engine import BinaryTranslation
from teachvm.vmm.engines.translate.records import Fragment
from teachvm.vmm.techniques import Technique
from tests.vmm.reference import Comparison, Reference
from tests.vmm.room import MIB, Room, enter, furnish, handler


class Duet(Comparison):
    """A comparison of a guest given as source."""

    def __init__(
        self,
        source: str,
        *,
        paging: bool = True,
        user: bool = False,
        eflags: int = 2,
        handlers: dict[int, str] | None = None,
    ) -> None:
        room = Room(source, paging=paging, user=user, eflags=eflags, technique=Technique.BINARY_TRANSLATION)
        reference = Reference(MIB, reveals=None)
        furnish(reference.ram_of_guest.write_bytes, source)
        enter(reference.cpu, paging=paging, user=user, eflags=eflags)
        super().__init__(room, reference)
        for vector, code in (handlers or {}).items():
            self.put(handler(vector), code)

    def put(self, address: int, source: str) -> None:
        """Put more code into both guests."""
        data = assemble(f"bits 32\norg {address}\n{source}\n", second_opinion=False).data
        self.room.vm.memory.write_bytes(address, data)
        self.reference.ram_of_guest.write_bytes(address, data)

    @property
    def engine(self) -> BinaryTranslation:
        engine = self.vm.engine
        assert isinstance(engine, BinaryTranslation)
        return engine

    def label(self, name: str) -> int:
        return self.room.assembly.symbols[name]

    def to_the_end(self, steps: int = 2_000) -> Duet:
        """Run until both halt, or so far, and compare all of memory then."""
        outcome = self.run(steps)
        assert outcome in ("ended", "limit")
        if self.room.host.stopped is not None:
            self.compare_memory()
        return self

    def unit_at(self, label: str) -> Fragment:
        """The fragment of the unit that begins at a label."""
        cache = self.engine.cache
        return cache.fragments[cache.lookup[cache.modes.present, self.label(label)]]
