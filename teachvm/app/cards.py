"""The cards by name: lessons name them, so their table stands in `lesson.cards`; presenters and views read it here."""

from teachvm.lesson.cards import CARD_BY_ID, CARDS, Card

__all__ = ["CARDS", "CARD_BY_ID", "Card"]
