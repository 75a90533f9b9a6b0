"""Registers and flags: what the guest's processor holds for whoever runs, and what the last step changed."""

from __future__ import annotations

from dataclasses import replace

from teachvm.app.cells import (
    REGISTER_ORDER,
    REGISTERS,
    SEGMENTS,
    bits_tip,
    cell,
    flag_chips,
    hex_pair,
    selector_tip,
    tip,
)
from teachvm.app.notation import hex32
from teachvm.app.presentation import CardView, Pair, PairSection, PairsView
from teachvm.app.presenters.vcpu_and_cpu import lit_names
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Editable, Place, Span, Text
from teachvm.isa.descriptors import Segment
from teachvm.machine.register_loads import DEBUG
from teachvm.vmm.view import GuestState

SEGMENT_ORDER = ("CS", "SS", "DS", "ES", "FS", "GS")


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """General registers and flags, then segments with their hidden parts, control and debug registers."""
    scene = scene_of(now)
    state = scene.state
    was = None if before is None else scene_of(before, scene.vm).state
    lit = lit_names(now.focus)
    segments = tuple(_segment(scene, name, state, was, lit) for name in (*SEGMENT_ORDER, "LDTR", "TR"))
    control = tuple(_control(scene, name, state, was, lit) for name in ("CR0", "CR2", "CR3", "CR4"))
    general = PairSection(tuple(_general(scene, state, was, lit)), ("general",))
    flags = flag_chips(state.eflags, None if was is None else was.eflags, lit=lit, vm=scene.vm)
    debug = tuple(_debug(scene, name, state, was, lit) for name in DEBUG)
    rest = (
        PairSection(segments, ("selector", "base")),
        PairSection(control, ("control",)),
        PairSection(debug, ("debug",)),
    )
    return CardView(_subtitle(scene), (PairsView((general,)), flags, PairsView(rest)))


def _subtitle(scene: Scene) -> Text:
    who = "kernel" if scene.state.cpl == 0 else "program"
    text = f"{scene.title} · {who}, ring {scene.state.cpl}"
    if scene.virtualized:
        here = scene.in_guest == scene.vm and scene.runner in ("program", "kernel")
        text += " as the guest sees it" if here else " · held in the VCPU"
    return (Span(text, "dim"),)


def _general(scene: Scene, state: GuestState, was: GuestState | None, lit: frozenset[str]) -> list[Pair]:
    rows = []
    for index in REGISTER_ORDER:
        name = REGISTERS[index]
        old = None if was is None else was.regs[index]
        rows.append(hex_pair(name, state.regs[index], old, scene.vm, lit=name in lit))
    rows.append(hex_pair("EIP", state.eip, None, scene.vm, lit="EIP" in lit))  # it changes with every step
    return rows


def _segment(scene: Scene, name: str, state: GuestState, was: GuestState | None, lit: frozenset[str]) -> Pair:
    """The selector, which can be given anew, and the base from the hidden part that comes with it."""
    segment = _held(state, name)
    old = None if was is None else _texts(_held(was, name))
    text, base = _texts(segment)
    selector = cell(text, segment.selector, None if old is None else old[0], lit=name in lit)
    hidden = cell(base, segment.base, None if old is None else old[1], "dim")
    edit = Editable("register", name, scene.vm)
    return Pair(name, (replace(selector, alters=edit), hidden), selector_tip(name, segment))


def _held(state: GuestState, name: str) -> Segment:
    return state.segs[SEGMENTS.index(name)] if name in SEGMENTS else getattr(state, name.lower())


def _debug(scene: Scene, name: str, state: GuestState, was: GuestState | None, lit: frozenset[str]) -> Pair:
    index = DEBUG[name]
    return hex_pair(name, state.dr[index], None if was is None else was.dr[index], scene.vm, lit=name in lit)


def _texts(segment: Segment) -> tuple[str, str]:
    return f"{segment.selector:04x}", hex32(segment.base)


def _control(scene: Scene, name: str, state: GuestState, was: GuestState | None, lit: frozenset[str]) -> Pair:
    value = int(getattr(state, name.lower()))
    old = None if was is None else hex32(getattr(was, name.lower()))
    hint = bits_tip(name, value) if name in ("CR0", "CR4") else tip(name)
    link, edit = None, Editable("register", name, scene.vm)
    if name == "CR2":
        link = Place("linear", value, scene.vm)
    elif name == "CR3":
        link = Place("guest-physical", value, scene.vm)
    return Pair(
        name, (replace(cell(hex32(value), value, old, lit=name in lit, tip=hint, link=link), alters=edit),), hint
    )
