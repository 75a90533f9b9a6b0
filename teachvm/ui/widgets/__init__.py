"""Reusable widgets without content of their own.

Role: what several views paint with.
May import: Qt and the theme.
"""
