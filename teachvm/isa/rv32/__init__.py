"""RV32I as a book: the one table of its instructions, decoding, encoding, and instructions in words.

Role: a second instruction set, small enough to be read whole, for a guest the processor of the host cannot run.
May import: the rest of `isa`.

Source: The RISC-V Instruction Set Manual, Vol. I: Unprivileged Architecture (20191213), ch. 2 and ch. 24 (listings).
"""
