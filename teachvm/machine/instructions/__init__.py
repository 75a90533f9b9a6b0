"""What every instruction does, written once per mnemonic.

Role: meanings named by the opcode rows: load, compute, store, then flags and registers, so a fault leaves nothing
half done.
May import: the rest of `machine`, `isa`, `trace`.

Design notes: a meaning is a plain function over bound operands: no `try`, no state of its own, and a loop only where
the instruction itself goes over several things (PUSHA, ENTER, strings). So it can be specialised for its operands and
joined with others into compiled blocks. Importing the package fills the register.
"""

from teachvm.machine.instructions import arithmetic, bits, data, flow, segments, strings, system
from teachvm.machine.instructions.meanings import MEANINGS, Meaning, meaning_of

__all__ = ["MEANINGS", "Meaning", "arithmetic", "bits", "data", "flow", "meaning_of", "segments", "strings", "system"]
