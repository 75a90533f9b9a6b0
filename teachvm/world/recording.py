"""A recording: what is needed to build a world again and to bring it to the same end, as one JSON document.

It holds what no computer can work out: the specification, the files of the guests by content, what came from outside
and when, and where it ended, with the digest of all state there. Everything between is executed again. It is data of a
stranger: bounded, checked whole before anything is built, and nothing in it names a place outside itself.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.world.inputs import DerivedDropRequested, Given
from teachvm.world.spec import SpecError, WorldSpec, check
from teachvm.world.world import World

FORMAT: Final = 1
"""Version of the format; a recording of a later one is refused."""
MOST_BYTES: Final = 16 << 20
"""Bytes of a recording that is read at all."""
MOST_FILES: Final = 256
MOST_INPUTS: Final = 100_000
LONGEST: Final = 1 << 40
"""Instructions a recording may reach over."""

SLICE: Final = 1 << 14
"""Most instructions between two questions whether a replay is to go on."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_DIGEST: Final = r"^[0-9a-f]{32}$"


class RecordingError(ValueError):
    """A recording that cannot be used; the message is one line for people."""


def _file_name(name: str) -> str:
    parts = name.split("/")
    plain = name.isprintable() and not set(name) & set('\\:*?"<>|') and len(name) <= 200 and len(parts) <= 8
    if not plain or any(part in ("", ".", "..") for part in parts):
        raise ValueError("this is no name of a file inside a recording")
    return name


FileName = Annotated[str, AfterValidator(_file_name)]
Count = Annotated[int, Field(ge=0, le=LONGEST)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64")


class Came(_Part):
    """Something that came from outside: `at` is the instruction boundary, `what` says which fields `given` has."""

    at: Count
    what: str
    given: Given

    @model_validator(mode="after")
    def _named(self) -> Came:
        if self.what != type(self.given).__name__:
            raise ValueError(f"'{self.what}' has other fields")
        return self


class End(_Part):
    """Where the recording ends, and the digest of all state there."""

    n: Count
    phase: Annotated[int, Field(ge=0, le=1_000_000)]
    digest: Annotated[str, Field(pattern=_DIGEST)]


class Recording(_Part):
    """The document. `files` are those of the guests, base64, by their names in the guest's own folder.

    `guests` are digests of the guests as they are laid out in memory, by VM: what is shipped is not in the recording,
    and another version of teachvm may ship another.
    """

    format: Literal["teachvm-recording"] = "teachvm-recording"
    version: Annotated[int, Field(strict=True, ge=1, le=FORMAT)] = FORMAT
    made_by: Annotated[str, Field(max_length=80)]
    spec: WorldSpec
    files: Annotated[dict[FileName, bytes], Field(max_length=MOST_FILES)]
    guests: Annotated[dict[str, Annotated[str, Field(pattern=_DIGEST)]], Field(max_length=64)]
    inputs: Annotated[tuple[Came, ...], Field(max_length=MOST_INPUTS)]
    end: End

    @field_validator("spec")
    @classmethod
    def _buildable(cls, spec: WorldSpec) -> WorldSpec:
        host = spec.host
        for name in (host.name, *(vm.name for vm in host.vms)):
            if not _NAME.fullmatch(name):
                raise ValueError("a name of a host or VM is a word of letters and digits")
        if not 0 < host.quantum <= LONGEST or any(not 0 <= cycles <= LONGEST for _, cycles in host.costs):
            raise ValueError("a quantum or a cost is no number of cycles")
        if min((vm.memory_bytes for vm in host.vms), default=1) <= 0 or host.memory_bytes <= 0:
            raise ValueError("a machine has some memory")
        try:
            check(spec)
        except SpecError as error:
            raise ValueError(str(error)) from None
        return spec

    @model_validator(mode="after")
    def _ordered(self) -> Recording:
        numbers = [came.at for came in self.inputs]
        if numbers != sorted(numbers) or numbers[-1:] > [self.end.n]:
            raise ValueError("inputs come in order, and none after the end")
        tenants = {self.spec.host.name, *(vm.name for vm in self.spec.host.vms)}
        for came in self.inputs:
            if not isinstance(came.given, DerivedDropRequested) and came.given.guest not in tenants:
                raise ValueError("an input is for a guest that is not there")
        return self

    def text(self) -> str:
        """The document."""
        return self.model_dump_json(indent=1) + "\n"


def parse(content: bytes) -> Recording:
    """Read a recording.

    Raises:
        RecordingError: It is none, or not in order; the message says where.
    """
    if len(content) > MOST_BYTES:
        raise RecordingError(f"a recording is at most {MOST_BYTES >> 20} MiB long")
    newer = re.search(rb'"version"\s*:\s*(\d{1,9})', content[:4096])
    if newer is not None and int(newer[1]) > FORMAT:
        raise RecordingError("this recording comes from a newer teachvm; replay it with that")
    try:
        return Recording.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"][:6])
        what = " ".join(str(first["msg"]).removeprefix("Value error, ").split())
        raise RecordingError(f"this is no recording in order: {where + ': ' if where else ''}{what}") from None


def record(world: World, timeline: Timeline, files: dict[str, bytes], made_by: str) -> Recording:
    """Everything up to the present moment.

    Args:
        world: What was run.
        timeline: What moved it.
        files: The guests' own files, by name.
        made_by: The version of teachvm.

    Raises:
        RecordingError: It would be larger than a recording may be.
    """
    here = timeline.position
    try:
        made = Recording(
            made_by=made_by,
            spec=world.spec,
            files=files,
            guests=_guests(world),
            inputs=tuple(
                Came(at=number, what=type(given).__name__, given=given)
                for number, given in timeline.inputs
                if number <= here.n and isinstance(given, Given)
            ),
            end=End(n=here.n, phase=here.phase, digest=timeline.digest()),
        )
    except ValidationError as error:
        raise RecordingError(f"this cannot be recorded: {error.errors()[0]['msg']}") from None
    if sum(map(len, files.values())) > MOST_BYTES // 2:
        raise RecordingError("the guests' files are too large for a recording")
    return made


class Replay:
    """A recording executed again, in slices, on a world built from it."""

    def __init__(self, recording: Recording, world: World, timeline: Timeline) -> None:
        """Begin.

        Raises:
            RecordingError: A shipped guest is another one than was recorded.
        """
        other = sorted(name for name, digest in _guests(world).items() if recording.guests.get(name) != digest)
        if other:
            raise RecordingError(
                f"the guest of {', '.join(other)} is not the one recorded with teachvm {recording.made_by}: "
                "another version ships another"
            )
        self._timeline = timeline
        self._left = list(recording.inputs)
        self._end = Moment(recording.end.n, recording.end.phase)
        self.expected = recording.end.digest
        self.digest = ""
        """What it came to, when it is done."""

    @property
    def same(self) -> bool:
        """Whether it came to the recorded digest."""
        return self.digest == self.expected

    def advance(self) -> bool:
        """Go on for at most a few thousand instructions; whether there is more to do."""
        timeline = self._timeline
        here = timeline.position.n
        while self._left and self._left[0].at <= here:
            self._inject(self._left.pop(0))
        stop = self._left[0].at if self._left else self._end.n
        if here < stop:
            timeline.run(min(stop - here, SLICE))
            if timeline.position.n > here:
                return True
        timeline.seek(self._end)
        self.digest = timeline.digest()
        return False

    def _inject(self, came: Came) -> None:
        try:
            self._timeline.inject(came.given)
        except Exception as error:
            raise RecordingError(f"what came from outside at {came.at} cannot come here: {came.what}") from error


def _guests(world: World) -> dict[str, str]:
    """Digests of the images, by VM."""
    found = {}
    for guest in world.guests.values():
        sink = hashlib.blake2b(digest_size=16)
        for address, content in guest.image.segments:
            sink.update(b"%d:%d:" % (address, len(content)) + content)
        found[guest.spec.name] = sink.hexdigest()
    return found
