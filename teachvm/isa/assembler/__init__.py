"""The assembler: lexer, expressions, directives, labels and errors with file, line and column.

Role: source text becomes bytes, an address map and a listing; the opcode rows choose the bytes.
May import: the rest of `isa`.

Design notes: text passes `lexer` (words that know their place), `preprocessor` (macros, conditions, files), `parser`
(statements), `layout` (addresses, jump lengths), and `assemble` collects the bytes and what was wrong on the way.
The dialect is a part of NASM's: what assembles here assembles there to bytes that mean the same. Every loop is
bounded by `limits`, and other files are read only through a `Resolver`.
"""

from teachvm.isa.assembler.assemble import assemble
from teachvm.isa.assembler.assembly import Assembly, Piece, Span
from teachvm.isa.assembler.errors import AsmError, Problem
from teachvm.isa.assembler.resolver import FolderResolver, ResolveError, Resolver

__all__ = ["AsmError", "Assembly", "FolderResolver", "Piece", "Problem", "ResolveError", "Resolver", "Span", "assemble"]
