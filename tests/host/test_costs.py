"""The cost table: sourced, editable, and in the order real machines have."""

from __future__ import annotations

import pytest

from teachvm.host.costs import COSTS, CostModel


def test_every_cost_has_a_source() -> None:
    for row in COSTS:
        assert row.label
        assert row.source
        assert row.cycles > 0
    assert len({row.key for row in COSTS}) == len(COSTS)


def test_the_defaults_keep_the_order_that_was_measured() -> None:
    costs = CostModel()
    assert costs.of("interpret") < costs.of("inject") < costs.of("trap") <= costs.of("trace-fault")
    assert costs.of("trap") < costs.of("reflect") < costs.of("true-fault")


def test_a_cost_can_be_edited() -> None:
    costs = CostModel([("trap", 10)])
    assert costs.of("trap") == 10
    costs.set("trap", 0)
    assert costs.of("trap") == 0


def test_a_wrong_edit_says_what_there_is() -> None:
    with pytest.raises(KeyError, match=r"no cost is called 'trapp'; there are trap, reflect"):
        CostModel([("trapp", 1)])
    with pytest.raises(ValueError, match="cannot be negative"):
        CostModel([("trap", -1)])
