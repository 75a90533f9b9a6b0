"""`teachvm names`: the one vocabulary, for people and for programs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping

import click

from teachvm.cli.exits import CommandError, ExitCode


@click.command(short_help="Print every name with a fixed spelling, and the JSON schemas.")
@click.argument("section", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, schemas included.")
def names(section: str | None, as_json: bool) -> None:
    """Print every name with a fixed spelling: events, entry reasons, techniques, cards, keys, expressions ...

    \b
    Examples:
      teachvm names                  all of them
      teachvm names entry-reasons    one section
      teachvm names --json           everything as data, with the JSON schemas
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.app import vocabulary

    sections: dict[str, list[dict[str, vocabulary.Json]]] = vocabulary.sections()
    sections["exit-codes"] = [{"name": code.label, "code": int(code)} for code in ExitCode]
    if section is not None:
        if section not in sections:
            near = difflib.get_close_matches(section, sections, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(sections)}"
            raise CommandError(f"there is no section '{section}'{hint}")
        sections = {section: sections[section]}
    if as_json:
        whole: dict[str, object] = {**sections}
        if section is None:
            whole["schemas"] = vocabulary.schemas()
        click.echo(json.dumps(whole, indent=2))
        return
    for title, rows in sections.items():
        click.echo(f"{title}\n{'-' * len(title)}")
        width = max(len(_word(row)) for row in rows)
        for row in rows:
            click.echo(f"  {_word(row):{width}}  {_meaning(row)}".rstrip())
        click.echo()


def _word(row: Mapping[str, object]) -> str:
    return str(row.get("signature", row["name"]))


def _meaning(row: Mapping[str, object]) -> str:
    """Label and explanation where there are any, otherwise every other column with its name."""
    said = [str(row[column]) for column in ("label", "explanation") if row.get(column)]
    if not said:
        said = [f"{column}: {value}" for column, value in row.items() if column != "name"]
    if keys := row.get("keys"):
        said.append(f"[{', '.join(map(str, keys))}]" if isinstance(keys, list) else str(keys))
    if row.get("available") is False:
        said.append("not in this version yet")
    return " · ".join(said)
