"""The assembler: lexer, expressions, directives, labels and errors with file, line and column.

Role: source text becomes bytes, an address map and a listing; the opcode rows choose the bytes.
May import: the rest of `isa`.
"""
