"""`python3 -m teachvm [LESSON]` works from a fresh clone: it prepares the environment once, then runs the commands."""

from teachvm import bootstrap


def main() -> None:
    """Enter the environment, then the command line."""
    bootstrap.enter("teachvm")
    from teachvm.cli import main as commands  # noqa: PLC0415 - its dependencies exist only inside the environment

    commands()


if __name__ == "__main__":
    main()
