"""YAML 1.2 as a lesson may use it: plain data with the place of every key and value, bounded before it is built.

Aliases, anchors, tags and directives are refused; so are duplicate keys, deep nesting and long documents. The bounds
are tested on the stream of parse events, so nothing grows before it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from teachvm.lesson.problems import Complaints, Place, quoted

MAX_YAML_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_NODES = 5_000
MAX_INTEGER = (1 << 64) - 1

Plain = Any
"""str, int, float, bool, None, or a list or dict of these."""

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """Plain data with places: `keys` of mapping keys, `values` of everything, by path; `unquoted` plain scalars."""

    data: Plain
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    quoted: set[Path] = field(default_factory=set)

    def place(self, path: Path) -> Place:
        """Place of the value at a path, or of the nearest thing around it that exists."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values[path]

    def key_place(self, path: Path) -> Place:
        """Place of a mapping's key, or of the value when there is no such key."""
        return self.keys.get(path) or self.place(path)

    def text_place(self, path: Path) -> Place:
        """Place of the first character of a string: after its quotation mark, if it has one."""
        place = self.place(path)
        return place.moved(1) if path in self.quoted else place


class _RefusedError(Exception):
    """The document breaks a bound or a rule."""

    def __init__(self, place: Place, message: str) -> None:
        self.place = place
        self.message = message
        super().__init__(message)


def read(text: str, first: Place, complaints: Complaints) -> Document | None:
    """Read one YAML document.

    Args:
        text: The document.
        first: Where its first character stands in the lesson's file; every line is indented alike.
        complaints: Takes what is wrong, with its place in the lesson's file.

    Returns:
        The document, or None when it is broken; an empty document is an empty mapping.
    """
    try:
        if len(text.encode()) > MAX_YAML_BYTES:
            raise _RefusedError(first, f"this YAML is longer than {MAX_YAML_BYTES // 1024} KiB")
        _bound(text, first)
        node = _yaml().compose(text)
        if node is None:
            return Document({}, values={(): first})
        document = Document(None)
        document.data = _build(node, (), first, document)
    except _RefusedError as refused:
        complaints.error(refused.place, refused.message)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = first if mark is None else _place(mark, first)
        complaints.error(place, f"broken YAML: {error.problem or error.context}")
    except (YAMLError, ValueError) as error:
        complaints.error(first, f"broken YAML: {str(error).splitlines()[0]}")
    else:
        return document
    return None


def _yaml() -> YAML:
    """A reader that knows nothing but plain data; one per document, since it keeps state."""
    return YAML(typ="safe", pure=True)


def _place(mark: Any, first: Place) -> Place:
    return Place(first.line + mark.line, first.column + mark.column)


def _bound(text: str, first: Place) -> None:
    """Walk the parse events; stops at the first that breaks a rule, before the rest of the text is read."""
    depth = nodes = documents = 0
    for event in _events(text):
        kind = type(event).__name__
        place = _place(event.start_mark, first)
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise _RefusedError(
                place, "YAML anchors and aliases (& and *) are not used in lessons; write the value out"
            )
        if getattr(event, "tag", None):
            raise _RefusedError(place, f"YAML tags are not used in lessons; remove {quoted(event.tag)}")
        if kind == "DocumentStartEvent":
            documents += 1
            if documents > 1:
                raise _RefusedError(place, "only one YAML document is allowed here")
            if event.version or event.tags:
                raise _RefusedError(place, "YAML directives (%) are not used in lessons")
        nodes += kind.endswith(("StartEvent", "ScalarEvent"))
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if nodes > MAX_NODES:
            raise _RefusedError(place, f"more than {MAX_NODES} values in one YAML document")
        if depth > MAX_DEPTH + 2:
            raise _RefusedError(place, f"nested deeper than {MAX_DEPTH} levels")


def _events(text: str) -> Iterator[Any]:
    yield from _yaml().parse(text)


def _build(node: Node, path: Path, first: Place, document: Document) -> Plain:
    document.values[path] = _place(node.start_mark, first)
    match node:
        case ScalarNode():
            if node.style in ("'", '"'):
                document.quoted.add(path)
            return _scalar(node, first)
        case SequenceNode():
            return [_build(item, (*path, index), first, document) for index, item in enumerate(node.value)]
        case MappingNode():
            return _mapping(node, path, first, document)
        case _:
            raise _RefusedError(_place(node.start_mark, first), "this is not plain data")


def _mapping(node: MappingNode, path: Path, first: Place, document: Document) -> Plain:
    result: dict[str, Plain] = {}
    for key, value in node.value:
        place = _place(key.start_mark, first)
        if not isinstance(key, ScalarNode):
            raise _RefusedError(place, "a key must be a plain word")
        name = str(key.value)
        if name == "<<":
            raise _RefusedError(place, "merge keys (<<) are not used in lessons; write the keys out")
        if name in result:
            raise _RefusedError(place, f"key {quoted(name)} stands here twice")
        document.keys[*path, name] = place
        result[name] = _build(value, (*path, name), first, document)
    return result


def _scalar(node: ScalarNode, first: Place) -> Plain:
    """A scalar by the YAML 1.2 core schema; anything the schema does not name, dates included, is a string."""
    text = str(node.value)
    match str(node.tag).rpartition(":")[2]:
        case "int":
            return _integer(text, _place(node.start_mark, first))
        case "float":
            return _float(text)
        case "bool":
            return text.lower() == "true"
        case "null":
            return None
        case _:
            return text


def _integer(text: str, place: Place) -> int:
    digits = text.replace("_", "").lower()
    if len(digits) > 70:
        raise _RefusedError(place, "this number is too large")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    bases = {"0x": 16, "0o": 8, "0b": 2}
    value = int(digits[2:], bases[digits[:2]]) if digits[:2] in bases else int(digits, 10)
    if value > MAX_INTEGER:
        raise _RefusedError(place, "this number is too large")
    return sign * value


def _float(text: str) -> float | str:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return text  # `.inf` and `.nan` are of no use in a lesson
