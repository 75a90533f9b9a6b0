"""Compiled tiers: the meanings of instructions, specialised for the instructions at hand and compiled in one piece.

Role: make running fast and change nothing else. `evaluate` specialises a meaning's own source for its bound operands,
`flags` keeps status flags lazily, `region` joins instructions to one Python function, `engine` decides what is compiled
and when, and runs it. Allowed imports: as `machine`.

Design notes: there is no second table of meanings. Whatever the specialiser cannot express is left to the closures
(tier 0), which also execute every instruction that faults, misses the TLB or touches a device; so phases, events and
faults come from one place only.
"""
