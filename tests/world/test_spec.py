"""Worlds that cannot be built are refused with one line."""

import pytest

from teachvm.world.spec import HostSpec, SpecError, VmSpec, WorldSpec, check


def test_a_vm_cannot_be_called_as_its_host() -> None:
    with pytest.raises(SpecError, match="a VM and its host are both called 'alpha'"):
        check(WorldSpec(HostSpec(name="alpha", vms=(VmSpec("alpha", "tinyos"),))))
