from teachvm.isa.paging import RW, US, P
from teachvm.machine.tlb import Tlb, TlbEntry
from teachvm.trace.state import Registry


def entry(vpn: int, *, large: bool = False) -> TlbEntry:
    return TlbEntry(vpn, vpn << 12, P | RW | US, dirty=False, large=large)


def test_a_set_holds_four_pages_and_then_replaces_the_oldest() -> None:
    tlb = Tlb()
    pages = [3, 19, 35, 51, 67, 83]
    for vpn in pages:
        tlb.insert(entry(vpn))
    assert [vpn for vpn in pages if tlb.find(vpn)] == [35, 51, 67, 83]
    tlb.insert(entry(99))
    assert tlb.find(35) is None


def test_looking_a_page_up_does_not_make_it_younger() -> None:
    tlb = Tlb()
    for vpn in (0, 16, 32, 48):
        tlb.insert(entry(vpn))
    assert tlb.find(0) is not None
    tlb.insert(entry(64))
    assert tlb.find(0) is None


def test_pages_of_different_sets_do_not_meet() -> None:
    tlb = Tlb()
    for vpn in range(64):
        tlb.insert(entry(vpn))
    assert len(tlb.resident()) == 64


def test_a_freed_way_is_used_before_anything_is_replaced() -> None:
    tlb = Tlb()
    for vpn in (0, 16, 32, 48):
        tlb.insert(entry(vpn))
    tlb.drop(32)
    tlb.insert(entry(64))
    assert all(tlb.find(vpn) for vpn in (0, 16, 48, 64))


def test_invlpg_drops_every_piece_of_a_large_page_and_nothing_else() -> None:
    tlb = Tlb()
    for vpn in (0x400, 0x401, 0x7FF):
        tlb.insert(entry(vpn, large=True))
    tlb.insert(entry(0x402))
    tlb.insert(entry(0x800, large=True))
    tlb.invalidate(0x0040_5123)
    assert [item.vpn for item in tlb.resident()] == [0x800, 0x402]


def test_a_flush_empties_the_entries_and_keeps_the_order_of_replacement() -> None:
    tlb = Tlb()
    for vpn in (0, 16, 32, 48, 64):
        tlb.insert(entry(vpn))
    victims = list(tlb.victims)
    tlb.flush()
    assert tlb.resident() == ()
    assert tlb.victims == victims != [0] * 16


def test_a_page_that_goes_leaves_the_cpu_s_page_maps_and_tells_it() -> None:
    tlb = Tlb()
    told = []
    tlb.dropped = lambda: told.append(True)
    tlb.insert(entry(5))
    tlb.reads[3][5] = tlb.writes[0][5] = 0x5000
    tlb.drop(5)
    assert (tlb.reads[3], tlb.writes[0], told) == ({}, {}, [True])


def test_a_restored_tlb_has_the_captured_entries_and_no_derived_page_map() -> None:
    tlb = Tlb()
    registry = Registry()
    registry.add("tlb", tlb)
    tlb.insert(entry(5))
    capture = registry.capture()
    tlb.flush()
    tlb.insert(entry(21))
    tlb.reads[0][21] = 0x15000
    registry.restore(capture)
    assert [item.vpn for item in tlb.resident()] == [5]
    assert tlb.reads[0] == {}
