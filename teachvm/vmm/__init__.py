"""The virtual machine monitor: VCPUs, VMs, engines, shadow memory, entries and their ledger.

Role: gives guests the illusion of a machine of their own, with real work on the simulated hardware.
May import: `host`, `guest`, `machine`, `isa`, `trace`; never `container`.
"""
