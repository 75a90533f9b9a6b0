"""String instructions, single and repeated.

Source: Intel SDM Vol. 2A/2B, MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, REP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.isa import alu
from teachvm.isa.decode import Insn
from teachvm.isa.flags import IF, STATUS
from teachvm.isa.operands import EDI, ESI
from teachvm.machine.bound import Bound
from teachvm.machine.bound_memory import Memory
from teachvm.machine.events import PortAccessed
from teachvm.machine.instructions.meanings import meaning
from teachvm.machine.instructions.repetition import (
    advance,
    compare_run,
    copy_run,
    destination,
    fill_run,
    load_run,
    repeat,
    scan_run,
    scanned,
    source,
    stride,
)

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu


@meaning("MOVSB", "MOVSD", shaped=True)
def movs(cpu: Cpu, insn: Insn, dst: Memory, src: Memory) -> int | None:
    """Copy an element from DS:ESI to ES:EDI."""

    def one(cpu: Cpu) -> None:
        dst.store(cpu, src.load(cpu))
        distance = stride(cpu, dst.size)
        advance(cpu, insn, ESI, distance)
        advance(cpu, insn, EDI, distance)

    if not insn.rep:
        one(cpu)
        return None
    return repeat(
        cpu, insn, (source(src), destination(dst)), one, lambda cpu, count: copy_run(cpu, insn, dst, src, count)
    )


@meaning("STOSB", "STOSD", shaped=True)
def stos(cpu: Cpu, insn: Insn, dst: Memory, src: Bound) -> int | None:
    """Store the accumulator at ES:EDI."""

    def one(cpu: Cpu) -> None:
        dst.store(cpu, src.load(cpu))
        advance(cpu, insn, EDI, stride(cpu, dst.size))

    if not insn.rep:
        one(cpu)
        return None
    value = src.load(cpu)
    return repeat(cpu, insn, (destination(dst),), one, lambda cpu, count: fill_run(cpu, insn, dst, value, count))


@meaning("LODSB", "LODSD", shaped=True)
def lods(cpu: Cpu, insn: Insn, dst: Bound, src: Memory) -> int | None:
    """Load the accumulator from DS:ESI."""

    def one(cpu: Cpu) -> None:
        dst.store(cpu, src.load(cpu))
        advance(cpu, insn, ESI, stride(cpu, src.size))

    if not insn.rep:
        one(cpu)
        return None
    return repeat(cpu, insn, (source(src),), one, lambda cpu, count: load_run(cpu, insn, dst, src, count))


@meaning("CMPSB", "CMPSD", shaped=True)
def cmps(cpu: Cpu, insn: Insn, left: Memory, right: Memory) -> int | None:
    """Compare DS:ESI with ES:EDI."""

    def one(cpu: Cpu) -> None:
        _, flags = alu.sub(left.load(cpu), right.load(cpu), left.width)
        distance = stride(cpu, left.size)
        advance(cpu, insn, ESI, distance)
        advance(cpu, insn, EDI, distance)
        cpu.set_flags(flags, STATUS)

    if not insn.rep:
        one(cpu)
        return None
    return repeat(
        cpu,
        insn,
        (source(left), scanned(right)),
        one,
        lambda cpu, count: compare_run(cpu, insn, left, right, count),
        compares=True,
    )


@meaning("SCASB", "SCASD", shaped=True)
def scas(cpu: Cpu, insn: Insn, left: Bound, right: Memory) -> int | None:
    """Compare the accumulator with ES:EDI."""

    def one(cpu: Cpu) -> None:
        _, flags = alu.sub(left.load(cpu), right.load(cpu), left.width)
        advance(cpu, insn, EDI, stride(cpu, right.size))
        cpu.set_flags(flags, STATUS)

    if not insn.rep:
        one(cpu)
        return None
    value = left.load(cpu)
    return repeat(
        cpu, insn, (scanned(right),), one, lambda cpu, count: scan_run(cpu, insn, value, right, count), compares=True
    )


# ---- ports ---------------------------------------------------------------------------------------


@meaning("INSB", "INSD", shaped=True)
def ins(cpu: Cpu, insn: Insn, dst: Memory, port: Bound) -> int | None:
    """Read port DX into ES:EDI; the store is tried before the port is read, since that cannot be undone."""
    number, size = port.load(cpu), dst.size

    def one(cpu: Cpu) -> None:
        cpu.require_port(number, size)
        cpu.probe(dst.segment, dst.address(cpu), size)
        value = cpu.ports.in_(number, size)
        cpu.emit(PortAccessed, port=number, size=size, value=value, direction="in")
        dst.store(cpu, value)
        advance(cpu, insn, EDI, stride(cpu, size))

    if not insn.rep:
        one(cpu)
        return None
    return repeat(cpu, insn, (destination(dst),), one, interrupted=_interrupted)


@meaning("OUTSB", "OUTSD", shaped=True)
def outs(cpu: Cpu, insn: Insn, port: Bound, src: Memory) -> int | None:
    """Write DS:ESI to port DX."""
    number, size = port.load(cpu), src.size

    def one(cpu: Cpu) -> None:
        cpu.require_port(number, size)
        value = src.load(cpu)
        cpu.emit(PortAccessed, port=number, size=size, value=value, direction="out")
        cpu.ports.out(number, size, value)
        advance(cpu, insn, ESI, stride(cpu, size))

    if not insn.rep:
        one(cpu)
        return None
    return repeat(cpu, insn, (source(src),), one, interrupted=_interrupted)


def _interrupted(cpu: Cpu) -> bool:
    """A port access may raise an interrupt, which is accepted between two iterations."""
    return cpu.eflags & IF != 0 and cpu.interrupts.pending
