"""From YAML to checked values: every complaint of the schema gets its place in the file and the nearest known word."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from teachvm.lesson.problems import Complaints, Place, did_you_mean, one_of, quoted
from teachvm.lesson.yamldoc import Document, Path

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], document: Document, complaints: Complaints) -> M | None:
    """The document as a value of the model, or None when the schema refuses it."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        for detail in details:
            if detail["type"] == "too_short" and any(_inside(other["loc"], detail["loc"]) for other in details):
                continue  # the list is only short because its broken items were left out
            place, message = _complaint(dict(detail), document)
            complaints.error(place, message)
        return None


def _complaint(detail: dict[str, Any], document: Document) -> tuple[Place, str]:
    path = _path(detail["loc"], document)
    context = detail.get("ctx", {})
    match detail["type"]:
        case "unknown_key":
            key, known = context["key"], context["known"]
            message = f"unknown key {quoted(key)}{did_you_mean(key, known) or '; known are ' + ', '.join(known)}"
            return document.key_place((*path, key)), message
        case "later_key":
            key = context["key"]
            return document.key_place((*path, key)), f"key {quoted(key)} is not in this version yet"
        case "unknown_word":
            word, known = context["word"], context["known"]
            return document.place(path), f"unknown word {quoted(word)}{did_you_mean(word, known) or _listed(known)}"
        case "literal_error":
            known = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
            word = str(detail["input"])
            return document.place(path), f"unknown word {quoted(word)}{did_you_mean(word, known) or _listed(known)}"
        case "missing":
            key = str(detail["loc"][-1])
            return document.place(path), f"key '{key}' is missing"
        case "too_short" | "too_long" as kind:
            return document.key_place(path), _plain_words(kind, context, detail)
        case "lesson":
            return document.place(path), str(context["text"])
        case kind:
            return document.place(path), _plain_words(kind, context, detail)


def _inside(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _path(location: tuple[str | int, ...], document: Document) -> Path:
    """The part of a pydantic location that exists in the document: union branches and dictionary marks left out."""
    path: Path = ()
    for step in location:
        if (*path, step) in document.values:
            path = (*path, step)
    return path


def _listed(known: list[str]) -> str:
    return f"; it is {one_of(known)}"


_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}


def _plain_words(kind: str, context: dict[str, Any], detail: dict[str, Any]) -> str:
    """Pydantic's complaint in the words of a lesson's author."""
    match kind:
        case _ if kind in _KINDS:
            return f"expected {_KINDS[kind]}, not {quoted(detail['input'])}"
        case "greater_than_equal":
            return f"the number must be at least {context['ge']}"
        case "less_than_equal":
            return f"the number must be at most {context['le']}"
        case "string_too_long":
            return f"the text is longer than {context['max_length']} characters"
        case "string_too_short":
            return "the text is empty"
        case "too_long":
            return f"the list has more than {context['max_length']} items"
        case "too_short":
            return f"the list needs at least {context['min_length']} item{'s' * (context['min_length'] > 1)}"
        case "string_pattern_mismatch":
            return f"{quoted(detail['input'])} has not the form this key wants ({context['pattern']})"
        case _:
            return str(detail["msg"])
