"""A lesson's folder: its files, and nothing outside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from teachvm.isa.assembler.resolver import FolderResolver, ResolveError
from teachvm.lesson.markdown import lines_of
from teachvm.lesson.problems import Complaints, LessonError, Place, Problem, quoted

LESSON_FILE = "lesson.md"
INSTRUCTOR_FILE = "instructor.yaml"
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one lesson lives; `shown` is the path as the user gave it, for messages."""

    path: Path
    shown: str

    def name_of(self, file: str) -> str:
        """A file of the lesson as messages name it."""
        return f"{self.shown}/{file}" if self.shown else file

    def has(self, file: str) -> bool:
        """Whether the file exists inside the folder, links followed."""
        try:
            FolderResolver(self.path).read(file, MAX_FILE_BYTES)
        except ResolveError:
            return False
        return True

    def problem_with_image(self, link: str) -> str:
        """What is wrong with an image's link: it has to be one of the lesson's own files; nothing if it is."""
        if ":" in link:
            return f"an image is a file in the lesson's folder, not {quoted(link)}"
        try:
            FolderResolver(self.path).read(unquote(link), MAX_FILE_BYTES)
        except ResolveError as error:
            return in_lesson(error)
        return ""

    def text(self, file: str) -> str:
        """The text of one of the lesson's files.

        Raises:
            LessonError: It is missing, too large, outside the folder, or not UTF-8.
        """
        try:
            data = FolderResolver(self.path).read(file, MAX_FILE_BYTES)
        except ResolveError as error:
            raise LessonError([self._problem(file, 1, in_lesson(error))]) from None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise LessonError([self._problem(file, line, "this file is not UTF-8 text")]) from None
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _problem(self, file: str, line: int, message: str) -> Problem:
        return Problem(self.name_of(file), Place(line), message)


def in_lesson(error: ResolveError) -> str:
    """What the resolver says about an assembler's source, said about a lesson."""
    text = str(error).replace("beside this source", "in the lesson's folder")
    return text.replace("the folder of this source", "the lesson's folder")


def open_folder(path: Path) -> Folder:
    """The folder of a lesson, given as the folder or as its `lesson.md`.

    Raises:
        LessonError: There is no lesson there.
    """
    folder = path.parent if path.name == LESSON_FILE else path
    shown = folder.as_posix() if folder != Path() else ""
    try:
        real = folder.resolve()
        found = real.is_dir()
    except (OSError, RuntimeError, ValueError):
        found = False
    if not found:
        raise LessonError([Problem(path.as_posix(), Place(1), "there is no such folder")])
    return Folder(real, shown)


def front_matter(source: str, complaints: Complaints) -> tuple[str, str, int]:
    """Cut the text at its two `---` lines.

    Returns:
        The YAML, the Markdown, and the number of lines before the Markdown.
    """
    lines = lines_of(source)
    if not lines or lines[0].rstrip() != "---":
        complaints.error(Place(1), "a lesson begins with a line --- and its front matter")
        return "", source, 0
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "".join(lines[1:number]), "".join(lines[number + 1 :]), number + 1
    complaints.error(Place(1), "the front matter has no end; close it with a line ---")
    return "", "", len(lines)
