"""One view per presenter, of the same stem: it paints and decides nothing.

Role: pictures of cards.
May import: `ui.widgets`, `ui.theme`, `app`.
"""
