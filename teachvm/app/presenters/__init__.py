"""One pure presenter per card: a snapshot, and the one before, become rows, shapes or text.

Role: the same presenter feeds the picture, its text twin, the terminal and the tests.
May import: the rest of `app` and everything to its right.
"""
