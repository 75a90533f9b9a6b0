import pytest

from teachvm.guest.image import Image, link
from teachvm.guest.symbols import SpaceKind, UnknownLabelError
from teachvm.isa.assembler import assemble

KERNEL = """
        org 0x10000
text:
start:  nop
.loop:  jmp .loop
stop:   hlt
words:  dd 1, 2
SIZE    equ 8
"""
PROGRAM = """
        org 0x08048000
start:  nop
.again: jmp .again
work:   nop
        ret
"""


@pytest.fixture(name="image")
def two_twins() -> Image:
    kernel, program = assemble(KERNEL, "kernel.asm"), assemble(PROGRAM, "twin.asm")
    return link("little", kernel, (("twin", program, 0), ("other", program, 0), ("twin", program, 1)))


def test_spaces_are_the_kernel_and_each_program_under_a_name_of_its_own(image: Image) -> None:
    spaces = image.symbols.spaces
    assert [space.name for space in spaces] == ["kernel", "twin#1", "other", "twin#3"]
    assert [space.number for space in spaces] == [0, 1, 2, 3]
    assert [space.kind for space in spaces] == [SpaceKind.KERNEL] + [SpaceKind.PROGRAM] * 3


def test_physical_address_tells_apart_programs_linked_at_the_same_linear_address(image: Image) -> None:
    symbols = image.symbols
    for space in symbols.programs:
        assert space.linear == 0x08048000
        assert symbols.space_at(space.phys) is space
        assert symbols.space_at(space.phys + space.size) is None
        assert symbols.name_at(0x08048001, space.phys + 1) == f"{space.name}:start.again"
    assert symbols.name_at(0x10001, 0x10001) == "start.loop"


def test_name_of_an_address_is_the_nearest_label_and_the_distance(image: Image) -> None:
    kernel = image.symbols.kernel
    assert kernel.name_at(0x10000) == "start", "of two labels at one address, the one written last"
    assert kernel.name_at(0x10002) == "start.loop+0x1"
    assert kernel.function_at(0x10002) == "start"
    assert kernel.label_at(0x10001) == "start.loop"
    assert kernel.label_at(0x10002) is None
    assert kernel.name_at(0x10000 + kernel.size) is None
    assert kernel.name_at(0xFFFF) is None


def test_constants_are_not_labels(image: Image) -> None:
    with pytest.raises(UnknownLabelError):
        image.symbols.address_of("SIZE")


def test_address_of_a_label_prefers_the_kernel_and_asks_when_programs_differ(image: Image) -> None:
    symbols = image.symbols
    assert symbols.address_of("start") == 0x10000
    assert symbols.address_of("start", "twin") == 0x08048000
    assert symbols.address_of("work") == 0x08048003
    assert [space.name for space, _ in symbols.where("start", "twin")] == ["twin#1", "twin#3"]


def test_label_at_different_addresses_needs_a_process() -> None:
    moved = assemble("org 0x08048000\nnop\nwork: nop\n", "moved.asm")
    image = link("little", assemble(KERNEL, "k.asm"), (("a", assemble(PROGRAM, "p.asm"), 0), ("b", moved, 0)))
    with pytest.raises(UnknownLabelError, match="'work' is in a, b"):
        image.symbols.address_of("work")
    assert image.symbols.address_of("work", "b") == 0x08048001


def test_unknown_label_says_which_was_meant(image: Image) -> None:
    with pytest.raises(UnknownLabelError, match="no label 'strat' in little, did you mean 'start'"):
        image.symbols.address_of("strat", "kernel")
    with pytest.raises(UnknownLabelError, match="nothing called 'third' runs here"):
        image.symbols.address_of("start", "third")
    with pytest.raises(UnknownLabelError, match="more than one"):
        image.symbols.space("twin")
    assert image.symbols.space("other").number == 2


def test_source_line_and_code_are_known_by_address(image: Image) -> None:
    kernel = image.symbols.kernel
    span = kernel.line_at(0x10001)
    assert span is not None
    assert (span.file, span.line) == ("kernel.asm", 5)
    assert kernel.is_code(0x10001)
    assert not kernel.is_code(kernel.assembly.symbols["words"])
