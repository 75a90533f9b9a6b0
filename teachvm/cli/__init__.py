"""The commands: `teachvm [LESSON]` opens the app, the others work without a screen.

Role: options, exit codes and one clear line per error; each command imports what it needs when it runs.
May import: every other package, `ui` lazily.
"""

from teachvm.cli.entry import main

__all__ = ["main"]
