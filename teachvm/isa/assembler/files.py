"""A source on disk, assembled: what `teachvm asm` does, without its printing."""

from pathlib import Path

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.assemble import assemble
from teachvm.isa.assembler.assembly import Assembly
from teachvm.isa.assembler.resolver import FolderResolver


class SourceFileError(Exception):
    """A source cannot be read, or its bytes cannot be written; the text is one line for people."""


def assemble_file(source: Path, output: Path | None = None) -> Assembly:
    """Assemble `source` with what it includes from its own folder, and write the bytes to `output` if there is one.

    Raises:
        SourceFileError: The file cannot be read, or `output` not written.
        AsmError: The source has problems; nothing is written.
    """
    assembly = assemble(_text(source), str(source), FolderResolver(source.parent))
    if output is not None:
        try:
            output.write_bytes(assembly.data)
        except OSError as error:
            raise SourceFileError(f"cannot write {output}: {error.strerror or error}") from error
    return assembly


def summary(assembly: Assembly) -> str:
    """One line about a program: how much, where, how many names."""
    end = assembly.origin + len(assembly.data)
    names = len(assembly.symbols)
    return (
        f"{assembly.name}: {len(assembly.data)} bytes, {assembly.origin:#x} to {end:#x}, "
        f"{names} name{'' if names == 1 else 's'}"
    )


def _text(source: Path) -> str:
    """The file's text.

    Raises:
        SourceFileError: It is no file, too large, or not UTF-8.
    """
    try:
        if not source.exists():
            raise SourceFileError(f"there is no file {source}")
        # A pipe or a device would be read for ever; only plain files have an end.
        if not source.is_file():
            raise SourceFileError(f"{source} is not a file")
        if source.stat().st_size > limits.SOURCE_BYTES:
            raise SourceFileError(f"{source} is larger than {limits.SOURCE_BYTES} bytes")
        return source.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SourceFileError(f"{source} is not text in UTF-8") from error
    except (OSError, ValueError) as error:
        raise SourceFileError(f"cannot read {source}: {error}") from error
