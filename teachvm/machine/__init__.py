"""One physical computer: registers, CPU, segmentation, MMU, TLB, memory, interrupts, bus and devices.

Role: executes real machine code. It does not know that it may be virtualized; it offers hooks with defaults (who
handles an exception, how an address is translated, what a port is wired to).
May import: `isa`, `trace`.
"""
