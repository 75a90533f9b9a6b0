"""The window: header, lesson rail, stage, timeline, library, and what floats above them.

Role: regions built from widgets, wired to the session by `main_window`; none of them knows a machine.
May import: `ui.widgets`, `ui.theme`, `ui.views`, `app`.
"""
