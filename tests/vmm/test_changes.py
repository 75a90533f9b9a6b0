"""What an instruction changed, said in the words of the SDM."""

from __future__ import annotations

from dataclasses import replace

from teachvm.isa.descriptors import TableRegister
from teachvm.vmm.changes import changes
from tests.vmm.room import Room


def test_each_register_flag_and_field_has_its_name() -> None:
    before = Room("nop").vm.vcpu.state()
    after = replace(
        before,
        eip=before.eip + 2,
        eflags=before.eflags | 0x3200,
        cr3=0x9000,
        gdtr=TableRegister(0x7000, 7),
        regs=(5, *before.regs[1:]),
        cpl=3,
        halted=True,
    )
    assert changes(before, after, before.eip + 2) == (
        ("CPL", 0, 3),
        ("IF", 0, 1),
        ("IOPL", 0, 3),
        ("CR3", 0x2000, 0x9000),
        ("GDTR", 0x1000, 0x7000),
        ("EAX", 0, 5),
        ("halted", 0, 1),
    )


def test_eip_counts_only_when_it_does_not_just_go_on() -> None:
    before = Room("nop").vm.vcpu.state()
    after = replace(before, eip=0x1234)
    assert changes(before, after, before.eip + 2) == (("EIP", before.eip, 0x1234),)
    assert changes(before, after, 0x1234) == ()
    assert changes(before, after) == (("EIP", before.eip, 0x1234),)
