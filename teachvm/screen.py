"""Whether pictures can be painted and a window opened here: Qt's system libraries, and a display that answers.

PySide6 carries Qt itself but not the libraries of the system below it. They are looked for by loading them, as Qt
will; where one is missing it is installed, or the exact command that does so is named. Imports the standard library
only.

Source: the packages were found one by one on a minimal Debian 12.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

PAINTING: Mapping[str, str] = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
}
"""What importing Qt's painting needs on Linux, screen or not: shared object -> Debian package."""

X11: Mapping[str, str] = {
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""What a window under X11 needs besides."""

WAYLAND: Mapping[str, str] = {
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}
"""What a window under Wayland needs besides."""


class ScreenError(Exception):
    """Painting is impossible here; the message says what to do, in one line."""


def ensure_libraries(*groups: Mapping[str, str]) -> None:
    """Find, and where we may install, the system libraries of Qt.

    Raises:
        ScreenError: Some are missing and were not installed; the message holds the command that does it.
    """
    if sys.platform != "linux":
        return
    wanted = {name: package for group in groups for name, package in group.items()}
    missing = _missing(wanted)
    if not missing:
        return
    install = _install_command(missing, wanted)
    if install[:1] == ["apt-get"] and os.geteuid() == 0:
        _apt(install)
        missing = _missing(wanted)
    if missing:
        way = " ".join(install if os.geteuid() == 0 else ["sudo", *install]) if install else "your package manager"
        raise ScreenError(f"Qt lacks the system libraries {', '.join(missing)}; install them with: {way}")


def why_no_window() -> str | None:
    """None where a window can open, otherwise the reason in a few words.

    Raises:
        ScreenError: There is a display, but system libraries to use it are missing.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM", "").split(":")[0] in {"offscreen", "vnc"}:
        return None
    display, wayland = os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY")
    if not display and not wayland:
        return "there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    lacking: ScreenError | None = None
    for name, libraries, answers in ((display, X11, _x11_answers), (wayland, WAYLAND, _wayland_answers)):
        try:
            if name:
                ensure_libraries(PAINTING, libraries)
                if answers():
                    return None
        except ScreenError as error:
            lacking = error  # the other kind of display may do
    if lacking is not None:
        raise lacking
    return f"the display {display or wayland!r} does not answer"


def _missing(wanted: Mapping[str, str]) -> list[str]:
    missing = []
    for name in wanted:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def _install_command(missing: list[str], packages: Mapping[str, str]) -> list[str]:
    """The command of this system's package manager, if we know it; dnf and zypper find a package by its library."""
    if shutil.which("apt-get"):
        return ["apt-get", "install", "-y", "--no-install-recommends", *sorted({packages[name] for name in missing})]
    by_name = [f"'{name}()(64bit)'" for name in missing]
    for manager in ("dnf", "zypper"):
        if shutil.which(manager):
            return [manager, "install", *by_name]
    return []


def _apt(install: list[str]) -> None:
    sys.stderr.write(f"teachvm: installing system libraries: {' '.join(install[4:])}\n")
    sys.stderr.flush()
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install):
        subprocess.run(command, env=quiet, capture_output=True, check=False)


def _x11_answers() -> bool:
    """Connect as Qt will, authority and all: Qt ends the process when this fails."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    refused = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not refused


def _wayland_answers() -> bool:
    client = ctypes.CDLL("libwayland-client.so.0")
    client.wl_display_connect.restype = ctypes.c_void_p
    display = client.wl_display_connect(None)
    if display is None:
        return False
    client.wl_display_disconnect(ctypes.c_void_p(display))
    return True
