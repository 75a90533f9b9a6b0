"""The window, and the only package that knows Qt.

Role: paints what presenters say and turns keys and clicks into commands of the session.
May import: `app` and everything to its right, PySide6, pyqtgraph.
"""
