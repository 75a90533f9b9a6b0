from teachvm.app.presentation import Span, Tip, plain
from teachvm.app.prose import blocks, inline, words


def test_paragraphs_lists_headings_code_and_tables_are_blocks() -> None:
    found = blocks(
        "# T\n\nOne **two**\nthree\n\n- a\n- b\n  1. c\n\n> q\n\n```\ncli\nhlt\n```\n\n---\n\n|a|b|\n|-|-|\n|1|2|\n"
    )
    assert [block.kind for block in found] == [
        "heading", "paragraph", "item", "item", "item", "quote", "code", "rule", "table",
    ]  # fmt: skip
    assert plain(found[1].text) == "One two three"
    assert [(block.marker, block.indent) for block in found[2:5]] == [("•", 1), ("•", 1), ("1.", 2)]
    assert plain(found[6].text) == "cli\nhlt"
    assert [[plain(cell) for cell in row] for row in found[8].rows] == [["a", "b"], ["1", "2"]]


def test_a_role_link_colours_and_a_term_link_explains() -> None:
    text = blocks(
        "the [orange lane](role:vmm), the [TLB](term:tlb), [the web](https://x.y)", {"tlb": Tip("TLB", "A cache.")}
    )
    spans = {span.text: span for span in text[0].text}
    assert spans["orange lane"].role == "vmm"
    assert spans["TLB"].tip == Tip("TLB", "A cache.")
    assert spans["the web"].role == "text"


def test_emphasis_and_code_are_spans() -> None:
    assert inline("a **b** `c`") == (Span("a "), Span("b", strong=True), Span(" "), Span("c", code=True))


def test_quotation_marks_are_curled_and_numbers_hold_together_but_not_in_code() -> None:
    text = inline('the VCPU\'s "no": 20 000 cycles, `"20 000"`')
    assert plain(text) == 'the VCPU’s “no”: 20\u202f000 cycles, "20 000"'


def test_raw_html_and_unknown_roles_are_words() -> None:
    assert plain(inline("<b>x</b> & [y](role:pink)")) == "<b>x</b> & y"


def test_prose_is_plain_lines_too() -> None:
    assert words("one\n\n1. two\n2. three\n\n|a|b|\n|-|-|\n|1|2|") == "one\n1. two\n2. three\na | b\n1 | 2"
