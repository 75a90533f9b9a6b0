"""Segments and descriptors: the guest's beside the hardware's, by the rules of deprivileging, not by the card's own."""

from __future__ import annotations

import pytest

from teachvm.app.control import Control
from teachvm.app.presentation import NoteView, TableView
from teachvm.isa.descriptors import DESCRIPTOR_SIZE, Segment
from teachvm.vmm.deprivilege import shadow_descriptor
from teachvm.vmm.techniques import Technique
from tests.app.presenters.worlds import card, texts, tinyos


def later(technique: Technique) -> Control:
    control = tinyos(technique)
    control.leave()
    control.timeline.run(9_000)
    control.leave()
    return control


def tables(control: Control) -> tuple[TableView, TableView]:
    registers, gdt = card(control, "segments").body[:2]
    assert isinstance(registers, TableView)
    assert isinstance(gdt, TableView)
    return registers, gdt


def said(segment: Segment) -> str:
    if not segment.present:
        return "not present"
    kind = "system" if segment.is_system else "code" if segment.is_code else "data"
    return f"{kind} {segment.base:08x}+{segment.limit:08x} DPL {segment.dpl}"


def test_the_real_table_is_the_guests_one_ring_down_and_cut_short() -> None:
    control = later(Technique.TRAP_AND_EMULATE)
    memory = control.world.host.tenants["alpha"].memory  # type: ignore[attr-defined]
    hardware = control.world.host.machine.cpu
    rows = texts(tables(control)[1])
    assert len(rows) == 5
    for selector, guest, real in rows:
        raw = memory.read_bytes(0x11000 + int(selector, 16), DESCRIPTOR_SIZE)
        in_kernel = hardware.cpl == 1
        held = Segment.unpack(0, shadow_descriptor(raw, in_kernel=in_kernel))
        assert guest.replace(" ", "") == said(Segment.unpack(0, raw)).replace(" ", "")
        assert real.replace(" ", "") == said(held).replace(" ", "")


@pytest.mark.parametrize("technique", [Technique.TRAP_AND_EMULATE, Technique.HARDWARE_ASSIST])
def test_registers_are_the_hardwares_where_it_runs_the_guest(technique: Technique) -> None:
    control = later(technique)
    hardware = control.world.host.machine.cpu
    column = -1 if technique is Technique.TRAP_AND_EMULATE else 2
    for row, held in zip(texts(tables(control)[0]), hardware.segs, strict=True):
        assert row[column].endswith(f"DPL {held.dpl}") or not held.present


def test_where_nothing_is_shadowed_the_card_says_so() -> None:
    for technique in (Technique.HARDWARE_ASSIST, Technique.EMULATION):
        assert isinstance(card(later(technique), "segments").body[-1], NoteView)
