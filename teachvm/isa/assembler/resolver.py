"""Where `%include` and `incbin` find their files: only where the caller says, never on their own.

The one module of `isa` that opens files, and only inside the folder it was given.
"""

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from teachvm.isa.assembler import limits


class ResolveError(Exception):
    """A file that may not be read, or cannot be; the text is for people and names no folder of theirs."""


class Resolver(Protocol):
    """What the assembler asks for the contents of a file named in a source."""

    def read(self, name: str, limit: int) -> bytes:
        """Contents of the file `name`, at most `limit` bytes.

        Raises:
            ResolveError: There is none, it is too large, or the source may not have it.
        """


class FolderResolver:
    """Files of one folder and the folders in it; nothing outside, links followed before that is judged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def read(self, name: str, limit: int = limits.OUTPUT_BYTES) -> bytes:
        """Contents of the file `name`, at most `limit` bytes.

        Raises:
            ResolveError: There is none, it is too large, or it lies outside the folder.
        """
        path = self._confined(name)
        try:
            # A pipe or a device would be read for ever; only plain files have an end.
            if not path.is_file():
                raise ResolveError(f"there is no file '{name}' beside this source")
            if path.stat().st_size > limit:
                raise ResolveError(f"'{name}' is larger than {limit} bytes")
            with path.open("rb") as stream:
                return stream.read(limit)
        except (OSError, ValueError) as error:
            raise ResolveError(f"'{name}' cannot be read") from error

    def _confined(self, name: str) -> Path:
        """The file's real path, inside the folder."""
        if not name.strip() or not name.isprintable():
            raise ResolveError("this is not a file name")
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or PureWindowsPath(name).drive or PureWindowsPath(name).root:
            raise ResolveError(f"'{name}' is an absolute path; only files beside this source can be read")
        if ".." in parts.parts:
            raise ResolveError(f"'{name}' leads out of the folder of this source")
        try:
            path = self._folder.joinpath(parts).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise ResolveError(f"'{name}' cannot be read") from error
        if not path.is_relative_to(self._folder):
            raise ResolveError(f"'{name}' leads out of the folder of this source")
        return path
