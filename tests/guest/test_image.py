import pytest

from teachvm.guest.image import GuestError, link
from teachvm.isa.assembler import assemble
from teachvm.isa.assembler.assembly import Assembly


def kernel_at(origin: int, size: int = 16) -> Assembly:
    return assemble(f"org {origin}\ntimes {size} nop\n", "kernel.asm")


def program(size: int = 16) -> Assembly:
    return assemble(f"org 0x08048000\ntimes {size} nop\n", "program.asm")


def test_programs_follow_the_kernel_each_on_pages_of_its_own() -> None:
    image = link("k", kernel_at(0x10000, 0x1001), (("a", program(1), 7), ("b", program(0x1001), -1)))
    assert [address for address, _ in image.segments] == [0x10000, 0x12000, 0x13000]
    assert [(p.name, p.phys, p.size, p.entry, p.arg) for p in image.programs] == [
        ("a", 0x12000, 1, 0x08048000, 7),
        ("b", 0x13000, 0x1001, 0x08048000, 0xFFFF_FFFF),
    ]
    assert image.end == 0x14001


def test_entry_is_the_label_start_or_else_the_first_byte() -> None:
    assert link("k", kernel_at(0x10000), ()).entry == 0x10000
    later = assemble("org 0x10000\ndd 0\nstart: nop\n", "kernel.asm")
    assert link("k", later, ()).entry == 0x10004


@pytest.mark.parametrize("origin", [0, 0x500, 0x6FFF])
def test_memory_of_the_loader_is_refused(origin: int) -> None:
    with pytest.raises(GuestError, match="belongs to the loader"):
        link("k", kernel_at(origin), ())


@pytest.mark.parametrize(("origin", "size"), [(0x9FFFF, 2), (0xB8000, 1), (0xFFFFF, 1)])
def test_video_memory_is_refused(origin: int, size: int) -> None:
    with pytest.raises(GuestError, match="video memory"):
        link("k", kernel_at(origin, size), ())


def test_kernel_above_the_hole_takes_its_programs_with_it() -> None:
    image = link("k", kernel_at(0x100000), (("a", program(), 0),))
    assert image.programs[0].phys == 0x101000


def test_too_many_programs_and_too_long_names_are_refused() -> None:
    with pytest.raises(GuestError, match="at most 16"):
        link("k", kernel_at(0x10000), (("a", program(), 0),) * 17)
    with pytest.raises(GuestError, match="longer than 16"):
        link("k", kernel_at(0x10000), (("a" * 17, program(), 0),))


def test_empty_source_is_refused() -> None:
    with pytest.raises(GuestError, match="nothing to run"):
        link("k", assemble("org 0x10000\n", "kernel.asm"), ())
