"""IA-32 as a book: opcode rows, decoding, encoding, pure ALU, flags, formats, assembler, disassembler; no state.

Role: one table of instructions that every reader shares (decoder, encoder, executor, badges, translators, tests).
May import: `trace` and the standard library; capstone through `disassembler` only, keystone through `keystone` only.
"""
