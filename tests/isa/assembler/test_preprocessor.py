"""Macros, conditions and repetitions: what the assembler proper gets to see."""

import pytest

from teachvm.isa.assembler import AsmError, assemble


def _data(source: str) -> bytes:
    return assemble(source).data


def test_a_definition_stands_for_its_words_from_its_line_on():
    assert (
        _data("%define TWO 1 + 1\n db TWO * 3\n%define TWO 5\n db TWO\n%undef TWO\nTWO equ 9\n db TWO")
        == b"\x04\x05\x09"
    )


def test_a_definition_may_use_others_and_never_itself_again():
    assert _data("%define A B\n%define B 7\n db A") == b"\x07"
    assert _data("%define A A\nA equ 3\n db A") == b"\x03"


def test_an_assignment_is_worked_out_at_once():
    assert _data("%assign n 2\n%assign n n * n + 1\n db n\n%assign m -n\n db m") == b"\x05\xfb"


def test_a_parameter_becomes_part_of_the_word_it_touches():
    source = (
        "%macro DEFINE 2\nvalue_%1: db %2\n%1_end: db 0%2h, %{1}\n%endmacro\nx equ 3\n DEFINE x, 10\n dd value_x, x_end"
    )
    assert _data(source) == b"\x0a\x10\x03" + bytes(4) + b"\x01\x00\x00\x00"


def test_arguments_in_braces_keep_their_commas():
    assert _data("%macro BYTES 2\n db %1\n db %2\n%endmacro\n BYTES {1, 2}, 3") == b"\x01\x02\x03"


def test_missing_arguments_have_their_defaults_and_are_counted():
    source = "%macro m 1-3 7, 8\n db %0, %1, %2, %3\n%endmacro\n m 1\n m 1, 2\n m 1, 2, 3"
    assert _data(source) == bytes((3, 1, 7, 8, 3, 1, 2, 8, 3, 1, 2, 3))


def test_macros_of_one_name_are_chosen_by_their_parameters():
    assert _data("%macro m 0\n db 0\n%endmacro\n%macro m 1\n db %1\n%endmacro\n m\n m 5") == b"\x00\x05"


def test_labels_of_a_macro_are_its_own_in_every_use():
    made = assemble("%macro WAIT 0\n%%again: jmp %%again\n%endmacro\nhere: WAIT\n.x: WAIT\n jmp .x")
    assert made.data == b"\xeb\xfe\xeb\xfe\xeb\xfc"
    assert dict(made.symbols) == {"here": 0, "..@1.again": 0, "here.x": 2, "..@2.again": 2}


def test_macros_may_use_macros_and_pass_their_parameters_on():
    source = "%macro inner 1\n db %1\n%endmacro\n%macro outer 2\n inner %2\n inner %1\n%endmacro\n outer 1, 2"
    assert _data(source) == b"\x02\x01"


def test_a_macro_may_define_a_macro():
    assert _data("%macro outer 0\n%macro inner 0\n db 1\n%endmacro\n%endmacro\n outer\n inner") == b"\x01"


def test_blocks_repeat_and_see_assignments_change():
    assert (
        _data("%assign i 0\n%rep 3\n db i\nat_%+i: \n%assign i i + 1\n%endrep\n db at_2, i") == b"\x00\x01\x02\x03\x03"
    )
    assert _data("%rep 2\n%rep 2\n db 1\n%endrep\n db 2\n%endrep") == b"\x01\x01\x02\x01\x01\x02"
    assert _data("%rep 0\n mvo\n%endrep\n nop") == b"\x90"


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        ("%if 1", True),
        ("%if 0", False),
        ("%if FIVE = 5 && FIVE <> 4", True),
        ("%if FIVE > 5 || 0", False),
        ("%if WORD == 3", True),
        ("%if (FIVE & 4) ^ 4", False),
        ("%ifdef WORD", True),
        ("%ifdef FIVE", False),
        ("%ifndef WORD", False),
    ],
)
def test_a_condition_chooses_its_branch(condition, taken):
    source = f"FIVE equ 5\n%define WORD 3\n{condition}\n db 1\n%else\n db 2\n%endif"
    assert _data(source) == (b"\x01" if taken else b"\x02")


def test_the_first_branch_that_holds_is_the_only_one():
    source = "%if {}\n db 1\n%elif {}\n db 2\n%elifdef X\n db 3\n%elifndef X\n db 4\n%else\n db 5\n%endif"
    assert _data(source.format(1, 1)) == b"\x01"
    assert _data(source.format(0, 1)) == b"\x02"
    assert _data(source.format(0, 0)) == b"\x04"
    assert _data("%define X\n" + source.format(0, 0)) == b"\x03"


def test_what_a_condition_leaves_out_is_not_even_read():
    assert _data("%if 0\n mvo 'unclosed\n%if nothing\n%else\n%endif\n%foo 'x\n%else\n nop\n%endif") == b"\x90"


def test_conditions_inside_a_macro_see_its_parameters():
    source = "%macro m 1\n%if %1 > 3\n db 1\n%else\n db 0\n%endif\n%endmacro\n m 3\n m 4"
    assert _data(source) == b"\x00\x01"


def test_errors_of_the_source_itself_stop_it():
    with pytest.raises(AsmError, match=r"^guest\.asm:2:1: SIZE must be 4$"):
        assemble('%define SIZE 5\n%error "SIZE must be 4"')
