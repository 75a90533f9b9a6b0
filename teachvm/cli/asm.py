"""`teachvm asm`: what the assembler makes of a file."""

from __future__ import annotations

from pathlib import Path

import click

from teachvm.cli.exits import CommandError, ExitCode


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--listing", is_flag=True, help="Print address, bytes and keystone's opinion beside every line.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the bytes to this file.")
def asm(file: Path, listing: bool, output: Path | None) -> None:
    """Assemble FILE; what it includes must lie in its folder.

    \b
    Examples:
      teachvm asm guest.asm                 check it, and say how large it is
      teachvm asm guest.asm --listing       the bytes of every line
      teachvm asm guest.asm -o guest.bin    write the bytes
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.isa.assembler import FolderResolver, ResolveError, assemble

    real = file.resolve()
    files = FolderResolver(real.parent)
    try:
        source = files.read(real.name).decode("utf-8-sig")
    except ResolveError as error:
        missing = "it is no plain file that could be read as a source" if real.exists() else "there is no such file"
        reason = str(error) if real.is_file() else missing
        raise CommandError(f"{file}: {reason}", ExitCode.CANNOT_RUN) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: this file is not UTF-8 text", ExitCode.CANNOT_RUN) from error
    assembly = assemble(source, str(file), files)
    if output is not None:
        try:
            output.write_bytes(assembly.data)
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error
    if listing:
        click.echo(assembly.listing.rstrip("\n"))
    else:
        size, labels = len(assembly.data), len(assembly.labels)
        click.echo(f"{file}: {size} bytes at 0x{assembly.origin:08x}, {labels} labels")
