"""One simulated computer you can see through.

Each package may import what stands to its right in this line, never to its left:

    cli -> ui -> app -> lesson -> world -> { vmm | container } -> host -> guest -> machine -> isa -> trace

* `trace`: time. Events, event log, declared state, checkpoints, timeline.
* `isa`: IA-32 as a book. Opcode rows, decode, encode, ALU, formats, assembler, disassembler; no state.
* `machine`: one physical computer. CPU, MMU, TLB, memory, bus, devices.
* `guest`: what runs on it. Images, symbols, the shipped guest kernels and programs.
* `host`: what every kind of tenant shares. Frame table, scheduler, cost model, first-level exception dispatch.
* `vmm`: the virtual machine monitor. VCPUs, engines, shadow memory, entries and their ledger.
* `container`: the host kernel as processes see it.
* `world`: a specification made into hosts with tenants on one timeline.
* `lesson`: the lesson format, its loader, player and checks.
* `app`: use cases without Qt. Session, snapshots, presenters, settings, progress.
* `ui`: the window, and the only package that knows Qt.
* `cli`: the commands.

Two modules stand outside the line: `bootstrap` makes a source tree runnable, `resources` finds shipped files.
Both import the standard library only.
"""

__version__ = "0.1.0"
