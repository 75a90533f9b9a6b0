"""`python3 -m tests` runs every test from a fresh clone; arguments go to pytest."""

import os
import sys

from teachvm import bootstrap, screen


def main() -> int:
    bootstrap.enter("tests", "test")
    import pytest

    try:
        screen.ensure_libraries(screen.PAINTING)
    except screen.ScreenError as error:
        sys.stderr.write(f"teachvm: {error}\n")
        return bootstrap.TOOL_ERROR
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    return pytest.main(["-n", "2", "--dist", "worksteal", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
