"""Console: what each guest wrote to its serial port; what the last step wrote stands out."""

from __future__ import annotations

from teachvm.app.notation import count
from teachvm.app.presentation import CardView, ConsoleView
from teachvm.app.scene import chosen_guest
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Span


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """One console per guest; with a guest in focus, its own only."""
    guests = tuple(now.world.guests)
    if now.focus.guest and len(guests) > 1:
        guests = (chosen_guest(now).name,)
    blocks = tuple(_console(now, before, name, several=len(now.world.guests) > 1) for name in guests)
    where = "virtual serial port" if now.world.virtualized else "serial port"
    return CardView((Span(f"COM1, the guest’s {where}", "dim"),), blocks)


def _console(now: Snapshot, before: Snapshot | None, name: str, *, several: bool) -> ConsoleView:
    port = now.state(f"{name}.console")
    text = port.text.decode("latin-1").replace("\r\n", "\n")
    fresh = 0
    path = f"{name}.console"
    if before is not None and path in before and before.log is now.log:
        fresh = min(max(0, port.written - before.state(path).written), len(text))
    lost = port.written - len(port.text)
    cut = f"the first {count(lost)} characters are not kept" if lost else ""
    title = " · ".join(filter(None, (name if several else "", cut)))
    return ConsoleView(text, fresh, title=title, guest=name)
