"""The opcode map, one module per concern, in the notation of the manual's appendix.

Role: data only; a second meaning for one opcode is an error at import.
May import: `isa.row` and `isa.flags`.
"""
