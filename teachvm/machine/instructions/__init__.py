"""What every instruction does, written once per mnemonic.

Role: meanings named by the opcode rows: load, compute, store, then flags and registers, so a fault leaves nothing
half done.
May import: the rest of `machine`, `isa`, `trace`.
"""
