"""Ctrl+C in the terminal, or a request to end, closes the window as its own button does: progress is kept.

Qt's event loop runs no Python while nothing happens, so a Python signal handler alone would wait for ever. The
interpreter writes each signal into a socket as it arrives, and the loop wakes up for that.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtCore import QSocketNotifier

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def closing(close: Callable[[], object]) -> Iterator[None]:
    """Call `close` from the event loop when the process is asked to end."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)

    def woken() -> None:
        reader.recv(64)
        close()

    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(woken)
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = [signal.signal(number, lambda *_: None) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        notifier.setEnabled(False)
        reader.close()
        writer.close()


@contextmanager
def at_once() -> Iterator[None]:
    """Let Ctrl+C end the process where it stands: for who turns the event loop by hand and has nothing to keep.

    Raised as an exception in something Qt has called, it would end in a traceback, and nothing else.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
