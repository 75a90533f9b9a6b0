"""Repeated string instructions: how far one goes in one unit, and its registers after every iteration.

A repeated instruction is one operation as long as nothing has to happen in between. It stops early, with EIP still at
the instruction and its registers saying what is left, when a device is due (`Cpu.budget`), when it comes to a page that
needs a page walk, and before an iteration that faults: the walk or the fault then opens the next unit. It stops after
an iteration that met a data breakpoint, and after one that wrote over the instruction itself: what stands there then
is fetched. The iterations done count as its cycles. Between two units RF is set, as it is
in what an interrupt there pushes: an instruction breakpoint stops a repeated instruction once.

Deviation: bytes of its own that it reaches by another linear address, or with 16-bit addresses, are noticed with the
next unit.

Source: Intel SDM Vol. 2B, REP/REPE/REPNE; Vol. 3A, §6.6 (restarting string instructions); Vol. 3B, §17.3.1.1 (RF).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from teachvm.isa import alu
from teachvm.isa.decode import Insn
from teachvm.isa.flags import DF, RF, STATUS, TF, ZF
from teachvm.isa.operands import CS, ECX, EDI, ESI
from teachvm.machine.bound import Bound
from teachvm.machine.bound_memory import Memory
from teachvm.machine.exceptions import Fault, Intercepted
from teachvm.machine.mmu import Access
from teachvm.machine.registers import MASK32

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

PAGE = 0x1000
MOST_UNSEEN: Final = 256
"""Iterations of one unit where each is a matter of its own, such as an access to a port: they take their time."""
_CODES: Final[dict[int, Literal["B", "H", "I"]]] = {1: "B", 2: "H", 4: "I"}
"""Struct codes by element size."""


class Side(NamedTuple):
    """A memory operand of a string instruction and the index register that walks it."""

    memory: Memory
    register: int
    access: Access

    def linear(self, cpu: Cpu) -> int:
        """Linear address of the present element, unchecked."""
        return cpu.segs[self.memory.segment].base + self.memory.address(cpu) & MASK32


def source(memory: Memory) -> Side:
    """The X operand, read through ESI."""
    return Side(memory, ESI, Access.READ)


def destination(memory: Memory) -> Side:
    """The Y operand, written through EDI."""
    return Side(memory, EDI, Access.WRITE)


def scanned(memory: Memory) -> Side:
    """The Y operand of a comparison, read through EDI."""
    return Side(memory, EDI, Access.READ)


def advance(cpu: Cpu, insn: Insn, register: int, distance: int) -> None:
    """Move an index register, SI or DI with 16-bit addresses."""
    value = cpu.regs[register] + distance
    if insn.adsize == 32:
        cpu.regs[register] = value & MASK32
    else:
        cpu.regs[register] = cpu.regs[register] & 0xFFFF_0000 | value & 0xFFFF


def stride(cpu: Cpu, size: int) -> int:
    """Bytes from one element to the next: negative while DF is set."""
    return -size if cpu.eflags & DF else size


def _never(cpu: Cpu) -> bool:
    return False


Interrupted = Callable[["Cpu"], bool]
"""Whether something has to happen before the next iteration."""
One = Callable[["Cpu"], None]
"""Does one element and moves the index registers."""
Many = Callable[["Cpu", int], int]
"""Does up to a number of elements that lie in one page each, moves the index registers, returns how many it did."""


def repeat(
    cpu: Cpu,
    insn: Insn,
    sides: tuple[Side, ...],
    one: One,
    many: Many | None = None,
    *,
    compares: bool = False,
    interrupted: Interrupted = _never,
) -> int:
    """Execute a repeated string instruction as far as it goes in this unit.

    Args:
        cpu: The processor; `next_eip` is set back to the instruction when iterations are left.
        insn: As decoded, for its prefix and address size.
        sides: Memory operands.
        one: Executes one iteration.
        many: Executes a run at once, where that is possible.
        compares: REPE and REPNE end by ZF.
        interrupted: Asked after every iteration.

    Returns:
        Iterations done; 1 if the counter was zero from the start.

    Raises:
        Fault: The first iteration faults; nothing is done then.
    """
    counter_mask = (1 << insn.adsize) - 1
    left = cpu.regs[ECX] & counter_mask
    if not left:
        return 1
    allowed = 1 if cpu.eflags & TF else min(left, max(1, cpu.budget()), left if many is not None else MOST_UNSEEN)
    allowed = min([allowed, *(_to_itself(cpu, insn, side) for side in sides)])
    wanted_zf = ZF if insn.rep == "rep" else 0
    done = 0
    ended = False
    while done < allowed and not ended:
        if done and (cpu.trap_pending or interrupted(cpu) or not _resident(cpu, sides)):
            break
        run = min([allowed - done, *(_in_page(cpu, side) for side in sides)])
        try:
            count = _iterate(cpu, run, one, many)
        except (Fault, Intercepted):
            if not done:
                raise
            break
        done += count
        cpu.regs[ECX] = cpu.regs[ECX] & ~counter_mask | left - done
        ended = compares and cpu.eflags & ZF != wanted_zf
    if done < left and not ended:
        cpu.next_eip = cpu.eip
        cpu.eflags |= RF
    return done


def _iterate(cpu: Cpu, run: int, one: One, many: Many | None) -> int:
    if many is not None and run > 1:
        count = many(cpu, run)
        if count:
            return count
    one(cpu)
    return 1


def _in_page(cpu: Cpu, side: Side) -> int:
    """Elements from the present one on that lie in one page; 1 for one that lies across two."""
    size = side.memory.size
    offset = side.linear(cpu) & PAGE - 1
    if offset + size > PAGE:
        return 1
    return offset // size + 1 if cpu.eflags & DF else (PAGE - offset) // size


def _to_itself(cpu: Cpu, insn: Insn, side: Side) -> int:
    """Elements from the present one to the first that overwrites the instruction; more than there can be if none."""
    if side.access is not Access.WRITE or insn.adsize != 32:
        return MASK32
    size, linear = side.memory.size, side.linear(cpu)
    start = cpu.segs[CS].base + cpu.eip & MASK32
    end = start + insn.length
    if cpu.eflags & DF:
        away = linear - end
        return MASK32 if linear + size <= start else 1 if away < 0 else away // size + 2
    return MASK32 if linear >= end else max(0, start - linear) // size + 1


def _resident(cpu: Cpu, sides: tuple[Side, ...]) -> bool:
    """Whether the next iteration needs no page walk."""
    user = cpu.cpl == 3
    for side in sides:
        linear = side.linear(cpu)
        last = linear + side.memory.size - 1 & MASK32
        if not cpu.resident(linear, side.access, user) or not cpu.resident(last, side.access, user):
            return False
    return True


# ---- runs ----------------------------------------------------------------------------------------


def fill_run(cpu: Cpu, insn: Insn, dst: Memory, value: int, count: int) -> int:
    """Store one value `count` times, all in one page of RAM; 0 if it is not so simple."""
    frame = _frame(cpu, dst, count, Access.WRITE)
    if frame is None:
        return 0
    cpu.write_ram(frame, value.to_bytes(dst.size, "little") * count)
    advance(cpu, insn, EDI, count * stride(cpu, dst.size))
    return count


def copy_run(cpu: Cpu, insn: Insn, dst: Memory, src: Memory, count: int) -> int:
    """Copy `count` elements from one page of RAM to one page of RAM; 0 if it is not so simple."""
    size = count * dst.size
    start = _frame(cpu, src, count, Access.READ)
    if start is None:
        return 0
    target = _frame(cpu, dst, count, Access.WRITE)
    if target is None:
        return 0
    down = bool(cpu.eflags & DF)
    distance = target - start
    if (0 < distance < dst.size and not down) or (down and -size < distance < 0):
        return 0
    if 0 < distance < size and not down:
        # What is copied was written a moment ago: the first `distance` bytes over and over.
        pattern = cpu.read_ram(start, distance)
        content = (pattern * (size // distance + 1))[:size]
    else:
        content = cpu.read_ram(start, size)
    cpu.write_ram(target, content)
    advance(cpu, insn, ESI, count * stride(cpu, dst.size))
    advance(cpu, insn, EDI, count * stride(cpu, dst.size))
    return count


def load_run(cpu: Cpu, insn: Insn, dst: Bound, src: Memory, count: int) -> int:
    """Load `count` elements from one page of RAM, of which only the last one can be seen; 0 if it is not so simple."""
    elements = _elements(cpu, src, count)
    if elements is None:
        return 0
    dst.store(cpu, elements[-1])
    advance(cpu, insn, ESI, count * stride(cpu, src.size))
    return count


def scan_run(cpu: Cpu, insn: Insn, value: int, right: Memory, count: int) -> int:
    """Compare a value with up to `count` elements of one page of RAM; 0 if it is not so simple."""
    elements = _elements(cpu, right, count)
    if elements is None:
        return 0
    done = _compared(cpu, insn, [value] * count, elements, right)
    advance(cpu, insn, EDI, done * stride(cpu, right.size))
    return done


def compare_run(cpu: Cpu, insn: Insn, left: Memory, right: Memory, count: int) -> int:
    """Compare up to `count` elements of one page of RAM with those of another; 0 if it is not so simple."""
    ours = _elements(cpu, left, count)
    theirs = None if ours is None else _elements(cpu, right, count)
    if ours is None or theirs is None:
        return 0
    done = _compared(cpu, insn, ours, theirs, right)
    advance(cpu, insn, ESI, done * stride(cpu, left.size))
    advance(cpu, insn, EDI, done * stride(cpu, right.size))
    return done


def _compared(cpu: Cpu, insn: Insn, left: list[int], right: list[int], memory: Memory) -> int:
    """Compare pairs up to the one that ends the repetition, and set its flags; returns how many pairs."""
    if insn.rep == "rep":
        last = (
            next((n for n, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), None)
            if left != right
            else None
        )
    else:
        last = next((n for n, (a, b) in enumerate(zip(left, right, strict=True)) if a == b), None)
    last = len(left) - 1 if last is None else last
    _, flags = alu.sub(left[last], right[last], memory.width)
    cpu.set_flags(flags, STATUS)
    return last + 1


def _elements(cpu: Cpu, memory: Memory, count: int) -> list[int] | None:
    """The next `count` elements of one page of RAM, in the order they come; None if it is not so simple.

    Raises:
        Fault: As the first element's access would.
    """
    frame = _frame(cpu, memory, count, Access.READ)
    if frame is None:
        return None
    content = cpu.read_ram(frame, count * memory.size)
    elements = memoryview(content).cast(_CODES[memory.size]).tolist()
    if cpu.eflags & DF:
        elements.reverse()
    return elements


def _frame(cpu: Cpu, memory: Memory, count: int, access: Access) -> int | None:
    """Physical address of the lowest of `count` elements that lie inside one page of RAM; None if they do not.

    Raises:
        Fault: As the first element's access would.
    """
    offset, size = memory.address(cpu), count * memory.size
    cpu.check_segment(memory.segment, offset, memory.size, access is Access.WRITE)
    lowest = offset - (size - memory.size) if cpu.eflags & DF else offset
    segment = cpu.segs[memory.segment]
    if lowest < 0 or not segment.contains(lowest, size) or lowest + size - 1 > memory.wrap:
        return None
    linear = segment.base + lowest & MASK32
    if (linear & PAGE - 1) + size > PAGE:
        return None
    # The first element is what a fault names; downwards it is the highest.
    phys = cpu.translate(linear + offset - lowest, access, cpu.cpl == 3) - (offset - lowest)
    return phys if cpu.is_ram(phys) and not cpu.watches(linear) else None
