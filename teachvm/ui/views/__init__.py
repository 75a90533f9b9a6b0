"""What is particular to one card's view: the room it wants on the stage.

Role: every card is a column of blocks, and every block has its widget in `ui.widgets`, so that a card needs no view of
its own: its presenter says everything, `shapes` says how large.
May import: the standard library only.

Adding a card: a row in `lesson.cards`, a presenter of its stem in `app.presenters`, a shape here.
"""
