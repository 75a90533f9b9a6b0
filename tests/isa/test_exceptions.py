"""Vectors, error codes and the double-fault rule, as the manual tables them."""

import pytest

from teachvm.isa.exceptions import (
    VECTORS,
    ExceptionKind,
    Vector,
    becomes_double_fault,
    gate_error,
    selector_error,
    spelled,
)


def test_the_vectors_with_an_error_code_are_the_eight_of_the_manual() -> None:
    assert {vector for vector, info in VECTORS.items() if info.has_error_code} == {8, 10, 11, 12, 13, 14, 17}


def test_every_vector_has_its_row() -> None:
    assert set(VECTORS) == set(Vector)
    for vector, info in VECTORS.items():
        assert info.vector == vector
        assert info.title


@pytest.mark.parametrize(
    ("vector", "kind"),
    [
        (Vector.DE, ExceptionKind.FAULT),
        (Vector.BP, ExceptionKind.TRAP),
        (Vector.OF, ExceptionKind.TRAP),
        (Vector.UD, ExceptionKind.FAULT),
        (Vector.GP, ExceptionKind.FAULT),
        (Vector.PF, ExceptionKind.FAULT),
        (Vector.DF, ExceptionKind.ABORT),
        (Vector.NMI, ExceptionKind.INTERRUPT),
    ],
)
def test_a_kind_says_where_eip_points(vector: Vector, kind: ExceptionKind) -> None:
    assert VECTORS[vector].kind is kind


def test_error_codes_name_gates_and_selectors() -> None:
    assert gate_error(13) == 13 * 8 + 2
    assert gate_error(0x20, external=True) == 0x103
    assert selector_error(0x2B) == 0x28
    assert selector_error(0x0F) == 0x0C
    assert selector_error(0x10, external=True) == 0x11


def test_people_read_mnemonics_for_exceptions_and_numbers_for_the_rest() -> None:
    assert spelled(13) == "#GP"
    assert spelled(2) == "NMI"
    assert spelled(0x80) == "int 0x80"


@pytest.mark.parametrize(
    ("first", "second", "double"),
    [
        (Vector.GP, Vector.GP, True),
        (Vector.DE, Vector.NP, True),
        (Vector.PF, Vector.PF, True),
        (Vector.PF, Vector.GP, True),
        (Vector.GP, Vector.PF, False),
        (Vector.UD, Vector.GP, False),
        (Vector.GP, Vector.UD, False),
        (0x20, Vector.GP, False),
    ],
)
def test_two_contributory_exceptions_make_a_double_fault(first: int, second: int, double: bool) -> None:
    assert becomes_double_fault(first, second) is double
