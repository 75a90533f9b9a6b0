"""Every word with a fixed spelling, gathered from the tables the code itself reads; nothing is spelled here.

`teachvm names` prints it. Each section is a list of rows, each row a mapping of plain values with at least a `name`.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import fields

import teachvm.machine.events
import teachvm.vmm.events
import teachvm.vmm.vmx.events
import teachvm.world.events  # noqa: F401 - events enter their table by being declared, here and in the lines above
from teachvm.app.keys import KEYS
from teachvm.guest.library import GUESTS, PROGRAMS
from teachvm.host.costs import COSTS
from teachvm.isa.exceptions import VECTORS
from teachvm.isa.row import InstructionClass
from teachvm.isa.rows.absent import LEFT_OUT
from teachvm.lesson import names
from teachvm.lesson.blocks import MACHINE_BLOCKS, PROSE_BLOCKS, json_schema
from teachvm.lesson.cards import CARDS
from teachvm.lesson.milestones import MILESTONES
from teachvm.lesson.schema import Closed, FrontMatter
from teachvm.trace.events import EVENTS, Event
from teachvm.trace.grain import Grain
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.hypercalls import Hypercall
from teachvm.vmm.techniques import Paging, ShadowPolicy, Technique
from teachvm.world.recording import Recording

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
Row = dict[str, Json]


def sections() -> dict[str, list[Row]]:
    """The whole vocabulary, section by section, in a fixed order."""
    return {name: list(gather()) for name, gather in _SECTIONS.items()}


def schemas() -> dict[str, object]:
    """JSON Schemas of files people write or exchange, by what they describe."""
    return {"lesson": json_schema(), "recording": Recording.model_json_schema()}


def _events() -> Iterator[Row]:
    common = {field.name for field in fields(Event)}
    ours = {name: kind for name, kind in EVENTS.items() if kind.__module__.partition(".")[0] == "teachvm"}
    for name, kind in sorted(ours.items()):
        own: list[Json] = [field.name for field in fields(kind) if field.name not in common]
        yield {"name": name, "explanation": _first_sentence(kind), "phase": kind.PHASE, "fields": own}


def _entry_reasons() -> Iterator[Row]:
    for reason in EntryReason:
        yield {
            "name": str(reason.value),
            "label": reason.label,
            "explanation": reason.explanation,
            "cost": reason.cost,
            "source": reason.source,
        }


def _fault_kinds() -> Iterator[Row]:
    for kind in FaultKind:
        yield {"name": kind.value, "explanation": kind.reason.explanation, "entry_reason": str(kind.reason.value)}


def _techniques() -> Iterator[Row]:
    for technique in Technique:
        yield {
            "name": technique.value,
            "label": technique.label,
            "short_label": technique.short_label,
            "explanation": technique.explanation,
            "key": f"Alt+{technique.number}",
        }


def _paging() -> Iterator[Row]:
    for paging in Paging:
        yield {
            "name": paging.value,
            "label": paging.label,
            "short_label": paging.short_label,
            "explanation": paging.explanation,
        }


def _shadow() -> Iterator[Row]:
    for policy in ShadowPolicy:
        yield {"name": policy.value, "label": policy.label, "explanation": policy.explanation}


def _guests() -> Iterator[Row]:
    for guest in GUESTS.values():
        started: list[Json] = [name for name, _argument in guest.programs]
        yield {
            "name": guest.name,
            "label": guest.title,
            "explanation": guest.description,
            "memory_bytes": guest.memory_bytes,
            "starts": started,
            "paravirtual": guest.paravirtual is not None,
        }


def _programs() -> Iterator[Row]:
    for program in PROGRAMS.values():
        yield {
            "name": program.name,
            "explanation": program.description,
            "argument": program.argument,
            "system": program.system,
        }


def _cards() -> Iterator[Row]:
    for card in CARDS:
        yield {"name": card.id, "label": card.title, "explanation": card.question}


def _grains() -> Iterator[Row]:
    for grain in Grain:
        yield {"name": grain.value, "label": grain.label}


def _keys() -> Iterator[Row]:
    for key in KEYS:
        yield {"name": key.action, "label": key.label, "explanation": key.does, "keys": list(key.keys)}


def _instruction_classes() -> Iterator[Row]:
    for klass in InstructionClass:
        yield {"name": klass.label, "badge": klass.badge, "explanation": klass.explanation}


def _left_out() -> Iterator[Row]:
    for entry in LEFT_OUT:
        yield {"name": entry.what, "explanation": entry.why, "instead": entry.instead.value}


def _exceptions() -> Iterator[Row]:
    for number, info in VECTORS.items():
        yield {
            "name": info.mnemonic,
            "label": info.title,
            "vector": int(number),
            "kind": info.kind.value,
            "error_code": info.has_error_code,
        }


def _front_matter() -> Iterator[Row]:
    for path, model, field in _keys_of(FrontMatter):
        yield {"name": path, "required": model.model_fields[field].is_required(), "available": field not in model.LATER}


def _blocks() -> Iterator[Row]:
    for name, model in MACHINE_BLOCKS.items():
        keys: list[Json] = [path for path, _model, _field in _keys_of(model)]
        yield {"name": name, "kind": "machine", "explanation": _first_sentence(model), "keys": keys}
    for name, explanation in PROSE_BLOCKS.items():
        yield {"name": name, "kind": "prose", "explanation": explanation, "keys": []}


def _expression_names() -> Iterator[Row]:
    for name in names.NAMES:
        yield {"name": name.name, "kind": name.kind, "explanation": name.explanation}
    yield {"name": "a VM's name", "kind": "vm", "explanation": "that VM; the names are the lesson's own"}


def _expression_fields() -> Iterator[Row]:
    for record, members in names.RECORDS.items():
        for member in members:
            yield {
                "name": f"{record}.{member.name}",
                "kind": member.kind,
                "explanation": member.explanation,
                "optional": member.optional,
            }


def _expression_functions() -> Iterator[Row]:
    for function in names.FUNCTIONS:
        yield {
            "name": function.name,
            "signature": function.signature,
            "kind": function.kind,
            "explanation": function.explanation,
        }


def _milestones() -> Iterator[Row]:
    for milestone in MILESTONES:
        yield {
            "name": milestone.word,
            "signature": milestone.signature,
            "explanation": milestone.explanation,
            "stop": milestone.stop,
            "countable": milestone.countable,
        }


def _hypercalls() -> Iterator[Row]:
    for call in Hypercall:
        arguments: list[Json] = list(call.arguments)
        yield {
            "name": call.word,
            "number": int(call),
            "arguments": arguments,
            "cost": call.cost,
            "explanation": call.explanation,
            "source": call.source,
        }


def _costs() -> Iterator[Row]:
    for cost in COSTS:
        yield {"name": cost.key, "label": cost.label, "cycles": cost.cycles, "source": cost.source}


_SECTIONS: dict[str, Callable[[], Iterator[Row]]] = {
    "events": _events,
    "entry-reasons": _entry_reasons,
    "fault-kinds": _fault_kinds,
    "techniques": _techniques,
    "paging": _paging,
    "shadow": _shadow,
    "guests": _guests,
    "programs": _programs,
    "cards": _cards,
    "grains": _grains,
    "keys": _keys,
    "instruction-classes": _instruction_classes,
    "exceptions": _exceptions,
    "hypercalls": _hypercalls,
    "left-out": _left_out,
    "costs": _costs,
    "front-matter": _front_matter,
    "blocks": _blocks,
    "expression-names": _expression_names,
    "expression-fields": _expression_fields,
    "expression-functions": _expression_functions,
    "milestones": _milestones,
}


def _first_sentence(thing: type) -> str:
    """The first line of a docstring, without the remark that its event is a phase: that has a column."""
    return (thing.__doc__ or "").strip().splitlines()[0].removesuffix(" A phase.")


def _keys_of(model: type[Closed], prefix: str = "") -> Iterator[tuple[str, type[Closed], str]]:
    """Keys of a mapping and of the mappings in it, as dotted paths; `[]` stands for each item of a list."""
    for field, info in model.model_fields.items():
        path = f"{prefix}{field}"
        yield path, model, field
        for inner, listed in _mappings_in(info.annotation):
            yield from _keys_of(inner, f"{path}[]." if listed else f"{path}.")


def _mappings_in(annotation: object, listed: bool = False) -> Iterator[tuple[type[Closed], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, Closed):
        yield annotation, listed
    origin = typing.get_origin(annotation)
    for argument in typing.get_args(annotation):
        if isinstance(argument, type) or typing.get_origin(argument) is not None:
            yield from _mappings_in(argument, listed or origin is tuple)
