"""The techniques of CPU virtualization, one module each, behind one protocol.

Role: decides what an exception that arrives in the monitor means and how the guest continues.
May import: the rest of `vmm` and what `vmm` may import.
"""
