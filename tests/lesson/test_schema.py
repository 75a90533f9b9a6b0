"""The published schema is the one the loader uses."""

import json

from teachvm.lesson.blocks import MACHINE_BLOCKS, PROSE_BLOCKS, json_schema
from teachvm.lesson.cards import CARD_BY_ID, CARDS
from teachvm.lesson.schema import FrontMatter, Host, Vm

SPECIFIED = """format id title summary lang authors license concepts prerequisites teaching exercises seed requires
    host hosts vms containers show grading"""
HOST = "name memory pcpus clock quantum scheduler reclaim sharing costs"
VM = """name host guest programs memory vcpus technique paging clock disks devices weight cap min max shares"""


def test_the_front_matter_has_the_keys_of_the_lesson_format() -> None:
    assert set(FrontMatter.model_fields) == set(SPECIFIED.split())
    assert set(Host.model_fields) == set(HOST.split())
    assert set(Vm.model_fields) == set(VM.split())


def test_the_blocks_are_those_of_the_lesson_format() -> None:
    assert list(MACHINE_BLOCKS) == ["run", "show", "ask", "check", "do"]
    assert list(PROSE_BLOCKS) == ["hint", "solution", "instructor", "objectives", "keypoints"]


def test_the_schema_is_json_and_closed() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["frontMatter"]["additionalProperties"] is False
    assert schema["frontMatter"]["required"] == ["format", "id", "title", "summary", "vms"]
    assert set(schema["blocks"]) == set(MACHINE_BLOCKS)
    vm = schema["frontMatter"]["$defs"]["Vm"]
    assert vm["properties"]["memory"]["pattern"]
    assert "trap-and-emulate" in vm["properties"]["technique"]["enum"]


def test_cards_have_one_id_each() -> None:
    assert len(CARD_BY_ID) == len(CARDS) > 11
    assert CARD_BY_ID["guest-walk"].stem == "guest_walk"
