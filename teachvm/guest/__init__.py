"""What runs on the machine: images, symbols, and the shipped guests built from `assets/guests`.

Role: turns assembly sources into bytes with an entry, symbols and an address map.
May import: `machine`, `isa`, `trace`, `resources`.
"""
