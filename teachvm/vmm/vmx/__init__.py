"""The processor's mode for guests: control structure, exit reasons, entry and exit, the two-dimensional page walk.

Role: what VT-x adds to the simulated CPU, through its hooks; the VMM that uses it is `vmm/engines/hardware.py`.
May import: the rest of `vmm` and what `vmm` may import.
"""
