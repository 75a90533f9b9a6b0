"""A RISC-V computer: the processor and the few devices around it, as variables of an interpreter.

Role: state and behaviour of a machine the host's processor cannot run; whoever emulates it calls `Rv32Cpu.step`.
May import: the rest of `machine`.

Source: RISC-V ISA manual Vol. I, ch. 2; the memory map is a part of QEMU's machine `virt`, so that a guest runs there.
"""
