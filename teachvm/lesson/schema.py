"""What may stand in a lesson's front matter: one closed schema, written once.

Pydantic checks it, `teachvm lesson schema` publishes it, `teachvm names` lists its keys. Keys of features that come
later are known, so that a lesson written for a newer version gets a clear answer instead of a wrong one.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from teachvm.lesson.names import RESERVED
from teachvm.vmm.techniques import Paging, Technique
from teachvm.world.spec import MAX_VMS, MIB

MAX_HOST_BYTES: Final = 256 * MIB
"""A lesson comes from a stranger: what its host may have at most."""

FORMAT = 1

_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def wrong(message: str) -> PydanticCustomError:
    """A complaint whose words are shown as they are."""
    return PydanticCustomError("lesson", "{text}", {"text": message})


class Closed(BaseModel):
    """A mapping that knows all its keys; `LATER` ones are part of the format but not of this version."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Unknown keys carry the known ones, for "did you mean"."""
        if not isinstance(data, Mapping):
            raise wrong(f"expected keys with values here: {', '.join(cls.model_fields)}")
        for key in data:
            if key not in cls.model_fields:
                raise PydanticCustomError("unknown_key", "unknown key", {"key": key, "known": list(cls.model_fields)})
            if key in cls.LATER:
                raise PydanticCustomError("later_key", "later", {"key": key})
        return data


def _bytes(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong("a size is a number with its unit, for example 8 MiB")
    return int(match[1]) * _UNITS[match[2]]


def _pages(value: int) -> int:
    if value % 4096:
        raise wrong("a memory size is a multiple of 4 KiB")
    return value


def _fits_host(value: int) -> int:
    if value > MAX_HOST_BYTES:
        raise wrong(f"a host has at most {MAX_HOST_BYTES // MIB} MiB of memory")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,15}", value) or keyword.iskeyword(value):
        raise wrong("a name is one word of small letters, digits and _, at most 16, for example alpha")
    if value in RESERVED:
        raise wrong(f"'{value}' already means something in expressions; choose another name")
    return value


def _identifier(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", value) or len(value) > 48:
        raise wrong("an id is made of small letters, digits and single hyphens, for example trap-and-emulate")
    return value


def _technique(value: object) -> Technique:
    return Technique(_word(value, [technique.value for technique in Technique]))


def _paging(value: object) -> Paging:
    return Paging(_word(value, [paging.value for paging in Paging]))


def _word(value: object, words: list[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise PydanticCustomError("unknown_word", "unknown word", {"word": str(value), "known": words})
    return value


def _one(value: int) -> int:
    if value != 1:
        raise wrong("this version has one, and only one")
    return value


Size = Annotated[
    int,
    BeforeValidator(_bytes),
    AfterValidator(_pages),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(B|KiB|MiB|GiB)$", "examples": ["8 MiB"]}),
]
One = Annotated[StrictInt, AfterValidator(_one), WithJsonSchema({"const": 1})]
VmName = Annotated[StrictStr, AfterValidator(_name)]
Identifier = Annotated[StrictStr, AfterValidator(_identifier)]
Line = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Prose = Annotated[StrictStr, Field(min_length=1, max_length=4_000)]
FileName = Annotated[StrictStr, Field(min_length=1, max_length=120)]
Count = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
Points = Annotated[StrictInt, Field(ge=0, le=1_000)]


class Program(Closed):
    """A program the guest starts, and the number it is given as its argument."""

    name: FileName
    argument: Annotated[StrictInt, Field(ge=0, le=0xFFFF_FFFF)] = 0


def _program(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Vm(Closed):
    """One guest and how it is run."""

    LATER = frozenset({"disks", "devices", "weight", "cap", "min", "max", "shares"})

    name: VmName
    host: VmName | None = None
    guest: FileName
    programs: Annotated[tuple[Annotated[Program, BeforeValidator(_program)], ...], Field(max_length=16)] = ()
    memory: Size = 2 * MIB
    technique: Annotated[
        Technique, BeforeValidator(_technique), WithJsonSchema({"enum": [technique.value for technique in Technique]})
    ] = Technique.TRAP_AND_EMULATE
    paging: Annotated[
        Paging, BeforeValidator(_paging), WithJsonSchema({"enum": [paging.value for paging in Paging]})
    ] = Paging.SHADOW
    vcpus: One = 1
    clock: Literal["guest"] = "guest"
    disks: Any = None
    devices: Any = None
    weight: Any = None
    cap: Any = None
    min: Any = None
    max: Any = None
    shares: Any = None


class Host(Closed):
    """The physical machine."""

    LATER = frozenset({"reclaim", "sharing"})

    name: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,15}$")] = "host"
    memory: Annotated[Size, AfterValidator(_fits_host)] = 8 * MIB
    pcpus: One = 1
    quantum: Annotated[StrictInt, Field(ge=100, le=10_000_000)] = 4_000
    costs: dict[StrictStr, Count] = Field(default_factory=dict)
    clock: Literal["10 MHz"] = "10 MHz"
    scheduler: Literal["round-robin"] = "round-robin"
    reclaim: Any = None
    sharing: Any = None


class Grading(Closed):
    """How points are given."""

    points: Points | None = None
    max_instructions: Annotated[StrictInt, Field(ge=1, le=100_000_000)] = 5_000_000
    show_expected: StrictBool = True


CardIds = Annotated[tuple[Annotated[StrictStr, Field(max_length=40)], ...], Field(min_length=1, max_length=4)]


class FrontMatter(Closed):
    """The YAML between the two `---` lines at the top of `lesson.md`."""

    LATER = frozenset({"containers", "hosts"})

    format: StrictInt
    id: Identifier
    title: Line
    summary: Line
    lang: Annotated[StrictStr, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    authors: tuple[Line, ...] = ()
    license: Line | None = None
    concepts: tuple[Identifier, ...] = ()
    prerequisites: tuple[Identifier, ...] = ()
    teaching: Annotated[StrictInt, Field(ge=0, le=600)] = 0
    exercises: Annotated[StrictInt, Field(ge=0, le=600)] = 0
    seed: Count = 0
    requires: Annotated[StrictStr, Field(pattern=r"^\d+(\.\d+){0,2}$")] | None = None
    host: Host = Host()
    hosts: Any = None
    vms: Annotated[tuple[Vm, ...], Field(min_length=1, max_length=MAX_VMS)]
    containers: Any = None
    show: CardIds = ("who-is-running", "guest-code", "vcpu-and-cpu")
    grading: Grading = Grading()


Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]
