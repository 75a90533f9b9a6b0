"""One clear line about what went wrong, or what there is to know; it floats above nothing and can be put away."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy

from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import announce
from teachvm.ui.window.buttons import IconButton

BannerKind = Literal["error", "info"]


class Banner(QFrame):
    """Shows one message; the whole text is in its tooltip."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("banner")
        self.setAccessibleName("Message")
        self.icon = QLabel()
        self.text = QLabel()
        self.text.setObjectName("banner-text")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        look.dress(self.text, fonts.SMALL)
        self.close_button = IconButton(look, "banner-close", "close", "Put this message away")
        self.close_button.clicked.connect(self.clear)
        self._row = QHBoxLayout(self)
        self._row.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        self._row.addWidget(self.text, 1)
        self._row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.kind: BannerKind = "info"
        self.hide()
        look.changed.connect(self._restyle)
        self._restyle()

    def say(self, text: str, kind: BannerKind = "error") -> None:
        """Show a message, and have it read out."""
        if text == self.text.text() and kind == self.kind and self.isVisible():
            return
        self.kind = kind
        self.text.setText(text)
        self.setToolTip(text)
        self.setProperty("kind", kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self._restyle()
        self.show()
        announce(self, text)

    def clear(self) -> None:
        """Put the message away."""
        self.text.clear()
        self.hide()

    def _restyle(self) -> None:
        px = self.look.px
        self._row.setContentsMargins(px(12), px(4), px(6), px(4))
        error = self.kind == "error"
        icon = self.look.icon("warning" if error else "info", "trap" if error else "now")
        self.icon.setPixmap(icon.pixmap(px(16), px(16)))
        self.icon.setContentsMargins(0, px(7), 0, 0)
