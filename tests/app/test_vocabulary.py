import importlib
import json
from pathlib import Path

import pytest

import teachvm
from teachvm.app import vocabulary
from teachvm.trace.events import EVENTS

PACKAGE = Path(teachvm.__file__).parent
SECTIONS = vocabulary.sections()


def test_every_event_declared_anywhere_is_in_it() -> None:
    for module in PACKAGE.rglob("events.py"):
        importlib.import_module(".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts))
    ours = {name for name, kind in EVENTS.items() if kind.__module__.startswith("teachvm.")}  # tests declare some too
    assert ours == ours & {row["name"] for row in SECTIONS["events"]}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_rows_and_no_name_twice(section: str) -> None:
    names = [row["name"] for row in SECTIONS[section]]
    assert names
    assert len(names) == len(set(names))


def test_it_is_data_and_the_same_every_time() -> None:
    assert json.loads(json.dumps(SECTIONS)) == SECTIONS == vocabulary.sections()


def test_every_entry_reason_is_paid_for_by_a_line_of_the_cost_table() -> None:
    costs = {row["name"] for row in SECTIONS["costs"]}
    assert {row["cost"] for row in SECTIONS["entry-reasons"]} <= costs


def test_no_key_does_two_things() -> None:
    keys = [key for row in SECTIONS["keys"] for key in row["keys"]]
    assert len(keys) == len(set(keys))


def test_shift_is_the_same_thing_backwards() -> None:
    actions = {key: row["name"] for row in SECTIONS["keys"] for key in row["keys"]}
    for key, action in actions.items():
        if key.startswith("Shift+") and key.removeprefix("Shift+") in actions:
            assert "back" in action, key


def test_the_front_matter_lists_nested_keys_by_their_path() -> None:
    paths = {row["name"] for row in SECTIONS["front-matter"]}
    assert {"title", "host.memory", "vms", "vms[].technique", "vms[].programs[].name"} <= paths
