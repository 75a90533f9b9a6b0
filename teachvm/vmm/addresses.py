"""The three address kinds and two frame numbers of a virtual machine, kept apart by the type checker.

A guest's linear address (gva) is translated by the guest's own page tables to a guest-physical one (gpa), and that by
the VMM's map to a host-physical one (hpa). Only the last is an address of RAM.

Source: Waldspurger, OSDI 2002, §2 (there VPN, PPN and MPN).
"""

from __future__ import annotations

from typing import NewType

Gva = NewType("Gva", int)
Gpa = NewType("Gpa", int)
Hpa = NewType("Hpa", int)
Gfn = NewType("Gfn", int)
"""Guest frame number: a gpa without its low twelve bits."""
Hfn = NewType("Hfn", int)
"""Host frame number: an hpa without its low twelve bits."""
