"""The devices of an IBM PC/AT, one chip per module.

Role: models of chips as their data sheets describe them, told the time by a callable and wired by callables.
May import: `isa`, `trace`.

Design notes: a device never looks at the CPU or at who owns it. `clock` answers its owner's time in 10 MHz cycles; the
same classes serve the physical machine and every virtual board. State is a function of the port accesses and the time
alone: `service()` may be called at any time and as often as one likes without changing what anybody sees.
"""
