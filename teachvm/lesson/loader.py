"""Reading a lesson: whole and good, or an error that says where and what to write instead. Nothing half-loads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from teachvm import __version__
from teachvm.lesson import blocks, model, schema
from teachvm.lesson.binder import Binder, cards
from teachvm.lesson.blocks import MACHINE_BLOCKS, PROSE_BLOCKS
from teachvm.lesson.expressions import Known
from teachvm.lesson.folder import INSTRUCTOR_FILE, LESSON_FILE, Folder, front_matter, open_folder
from teachvm.lesson.markdown import Heading, Part, Passage, Piece, Prose, html, split
from teachvm.lesson.problems import Complaints, Place, did_you_mean, quoted
from teachvm.lesson.setting import Setting, set_up
from teachvm.lesson.validation import validated
from teachvm.lesson.yamldoc import Document, read

MAX_BEATS = 60
_NUMBERED = re.compile(r"(\d{1,3})-(.+)")


def load(path: FilePath) -> model.Lesson:
    """Read a lesson from its folder, or from its `lesson.md`.

    Raises:
        LessonError: Anything is wrong with it; all errors that were found are in `problems`.
    """
    folder = open_folder(path)
    source = folder.text(LESSON_FILE)
    complaints = Complaints(folder.name_of(LESSON_FILE), source)
    matter, markdown, offset = front_matter(source, complaints)
    document = read(matter, Place(2), complaints) if not complaints.broken else None
    front = _front(document, complaints) if document is not None else None
    if front is None or document is None:
        complaints.finish()
        raise AssertionError("a lesson without front matter has an error")
    setting = set_up(front, document, folder, complaints)
    body = _Body(folder, complaints, setting.known)
    for part in split(markdown, offset, complaints, folder.problem_with_image):
        body.take(part)
    body.end()
    instructor = _instructor(folder, front, body, setting) if not complaints.broken else model.Instructor()
    warnings = complaints.finish()
    match = _NUMBERED.fullmatch(folder.path.name)
    return model.Lesson(
        folder=folder.path,
        file=complaints.file,
        number=int(match[1]) if match else 0,
        front=front,
        spec=setting.spec,
        intro=_joined(body.intro),
        objectives=body.objectives,
        keypoints=body.keypoints,
        notes=_joined(body.notes),
        beats=tuple(body.beats),
        instructor=instructor,
        warnings=warnings,
    )


def _front(document: Document, complaints: Complaints) -> schema.FrontMatter | None:
    data = document.data
    version = data.get("format") if isinstance(data, dict) else None
    if isinstance(version, int) and not isinstance(version, bool) and version != schema.FORMAT:
        newer = version > schema.FORMAT
        advice = "update teachvm to open it" if newer else f"the first format is {schema.FORMAT}"
        message = f"this lesson is in format {version}; this version reads format {schema.FORMAT}: {advice}"
        complaints.error(document.place(("format",)), message)
        return None
    front = validated(schema.FrontMatter, document, complaints)
    if front is None:
        return None
    cards(front.show, ("show",), document, complaints)
    if front.requires is not None and _version(front.requires) > _version(__version__):
        message = f"this lesson needs teachvm {front.requires} or newer; this is {__version__}"
        complaints.error(document.place(("requires",)), message)
    return front


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _joined(passages: list[Prose]) -> Prose:
    return Prose("\n\n".join(p.markdown for p in passages), "".join(p.html for p in passages))


@dataclass(slots=True)
class _Beat:
    heading: Heading
    parts: list[model.Part] = field(default_factory=list)
    notes: list[Prose] = field(default_factory=list)


@dataclass(slots=True)
class _Body:
    """The Markdown part of a lesson while it is being read."""

    folder: Folder
    complaints: Complaints
    known: Known
    beats: list[model.Beat] = field(default_factory=list)
    intro: list[Prose] = field(default_factory=list)
    notes: list[Prose] = field(default_factory=list)
    objectives: Prose = model.NO_PROSE
    keypoints: Prose = model.NO_PROSE
    ids: dict[str, Place] = field(default_factory=dict)
    open: _Beat | None = None

    def take(self, part: Part) -> None:
        match part:
            case Heading():
                self._close()
                self.open = _Beat(part)
            case Passage():
                self._passage(part)
            case Piece(colon=True):
                self._prose_block(part)
            case Piece():
                self._machine_block(part)

    def end(self) -> None:
        self._close()
        if not self.beats and not self.complaints.broken:
            self.complaints.error(Place(1), "a lesson needs at least one beat, a heading that begins with ##")

    def _passage(self, passage: Passage) -> None:
        if self.open is None:
            self.intro.append(passage.prose)
        else:
            self.open.parts.append(model.Passage(passage.prose, passage.place))

    def _close(self) -> None:
        beat, self.open = self.open, None
        if beat is None:
            return
        if not beat.heading.text.strip():
            self.complaints.error(beat.heading.place, "a beat needs a title")
        if len(self.beats) == MAX_BEATS:
            self.complaints.error(beat.heading.place, f"a lesson has at most {MAX_BEATS} beats")
        self.beats.append(
            model.Beat(len(self.beats), beat.heading.text, tuple(beat.parts), _joined(beat.notes), beat.heading.place)
        )

    def _prose_block(self, piece: Piece) -> None:
        if piece.name not in PROSE_BLOCKS:
            self._unknown(piece)
            return
        self._only_prose(piece)
        prose = Prose(piece.body.strip("\n"), html(piece.body))
        beat = self.open
        match piece.name:
            case "objectives":
                self.objectives = self._once(piece, self.objectives, prose)
            case "keypoints":
                self.keypoints = self._once(piece, self.keypoints, prose)
            case "instructor":
                (self.notes if beat is None else beat.notes).append(prose)
            case name if beat is None:
                self.complaints.error(piece.place, f"a {name} belongs to a beat; put it below a ## heading")
            case name:
                solution = name == "solution"
                title = piece.title or ("Solution" if solution else "Hint")
                beat.parts.append(model.Hint(title, prose, piece.place, solution))

    def _only_prose(self, piece: Piece) -> None:
        for part in split(piece.body, piece.first.line - 1, self.complaints, self.folder.problem_with_image):
            if not isinstance(part, Passage):
                what = "heading" if isinstance(part, Heading) else "block"
                self.complaints.error(part.place, f"a {what} cannot stand inside {{{piece.name}}}")

    def _once(self, piece: Piece, before: Prose, prose: Prose) -> Prose:
        if before.markdown:
            self.complaints.error(piece.place, f"a lesson has one {{{piece.name}}} block; this is the second")
        return prose

    def _machine_block(self, piece: Piece) -> None:
        if piece.name not in MACHINE_BLOCKS:
            self._unknown(piece)
            return
        if self.open is None:
            message = f"the {{{piece.name}}} block belongs to a beat; put it below a ## heading"
            self.complaints.error(piece.place, message)
            return
        if piece.title:
            self.complaints.warn(piece.place, f"words after {{{piece.name}}} are not used: {quoted(piece.title)}")
        document = read(piece.body, piece.first, self.complaints)
        block = validated(MACHINE_BLOCKS[piece.name], document, self.complaints) if document is not None else None
        if block is None or document is None:
            return
        self._unique(getattr(block, "id", None), document)
        bound = _bound(block, Binder(document, self.known, self.complaints, piece.place))
        if bound is not None:
            self.open.parts.append(bound)

    def _unique(self, name: str | None, document: Document) -> None:
        if name is None:
            return
        if name in self.ids:
            message = f"id {quoted(name)} is already used in line {self.ids[name].line}"
            self.complaints.error(document.place(("id",)), message)
        self.ids.setdefault(name, document.place(("id",)))

    def _unknown(self, piece: Piece) -> None:
        names, others = (PROSE_BLOCKS, MACHINE_BLOCKS) if piece.colon else (MACHINE_BLOCKS, PROSE_BLOCKS)
        hint = did_you_mean(piece.name, names)
        if piece.name in others:
            hint = "; this one is written with " + ("``` lines" if piece.colon else "::: lines")
        self.complaints.warn(piece.place, f"unknown block {quoted(piece.name)} is passed over{hint}")


def _bound(block: schema.Closed, binder: Binder) -> model.Part | None:
    match block:
        case blocks.Run():
            return binder.run(block)
        case blocks.Show():
            return binder.show(block)
        case blocks.Ask():
            return binder.ask(block)
        case blocks.Check():
            return binder.check(block)
        case blocks.Do():
            return binder.do(block)
        case _:
            raise AssertionError(f"no meaning for {type(block).__name__}")


def _instructor(folder: Folder, front: schema.FrontMatter, body: _Body, setting: Setting) -> model.Instructor:
    """What `instructor.yaml` says; a lesson without one is a student's copy.

    Raises:
        LessonError: The file is broken.
    """
    if not (folder.path / INSTRUCTOR_FILE).exists():
        return model.Instructor()
    source = folder.text(INSTRUCTOR_FILE)
    complaints = Complaints(folder.name_of(INSTRUCTOR_FILE), source)
    document = read(source, Place(1), complaints)
    found = validated(blocks.InstructorFile, document, complaints) if document is not None else None
    if found is None or document is None:
        complaints.finish()
        return model.Instructor()
    if found.lesson != front.id:
        message = f"this file belongs to lesson {quoted(found.lesson)}, but stands beside {quoted(front.id)}"
        complaints.error(document.place(("lesson",)), message)
    asked = {part.id for beat in body.beats for part in beat.parts if isinstance(part, model.Ask)}
    for name in found.answers:
        if name not in asked:
            message = f"no question has the id {quoted(name)}{did_you_mean(name, asked)}"
            complaints.error(document.key_place(("answers", name)), message)
    hidden = []
    for index, check in enumerate(found.checks):
        path = ("checks", index)
        if check.beat > len(body.beats):
            message = f"there is no beat {check.beat}; the lesson has {len(body.beats)}"
            complaints.error(document.place((*path, "beat")), message)
        if check.id in body.ids:
            complaints.error(document.place((*path, "id")), f"id {quoted(check.id)} is already used in the lesson")
        binder = Binder(document, setting.known, complaints, document.place(path))
        hidden.append((check.beat - 1, binder.check(check, path)))
    complaints.finish()
    return model.Instructor(tuple(found.answers.items()), tuple(hidden))
