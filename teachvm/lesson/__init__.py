"""Lessons as data: the format, its loader with located errors, the player and the checks.

Role: a lesson steers time and asks questions; it never changes what the machine does.
May import: `world` and everything to its right.
"""
