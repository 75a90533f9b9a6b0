"""Use cases without Qt: session, snapshots, presenters, settings, progress, the vocabulary.

Role: everything a window, a terminal or a test needs to show and steer a world.
May import: `lesson` and everything to its right; never Qt.
"""
