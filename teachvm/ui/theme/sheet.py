"""The palette and the style sheet of plain Qt widgets, made from the tokens. Fonts are no part of it: see `Look.dress`.

Qt's own colour scheme is a no-op on several platforms, so that both are set outright: a picture taken without a screen
is what a user sees.
"""

from __future__ import annotations

from string import Template

from PySide6.QtGui import QColor, QPalette

from teachvm.ui.theme.fonts import pixels
from teachvm.ui.theme.tokens import Theme, mix

_ROLES = {
    QPalette.ColorRole.Window: "background",
    QPalette.ColorRole.WindowText: "text",
    QPalette.ColorRole.Base: "card",
    QPalette.ColorRole.AlternateBase: "card2",
    QPalette.ColorRole.Text: "text",
    QPalette.ColorRole.Button: "card2",
    QPalette.ColorRole.ButtonText: "text",
    QPalette.ColorRole.BrightText: "text",
    QPalette.ColorRole.Highlight: "now",
    QPalette.ColorRole.HighlightedText: "on-now",
    QPalette.ColorRole.Accent: "now",
    QPalette.ColorRole.Link: "now",
    QPalette.ColorRole.LinkVisited: "now",
    QPalette.ColorRole.PlaceholderText: "dim",
    QPalette.ColorRole.ToolTipBase: "card2",
    QPalette.ColorRole.ToolTipText: "text",
    QPalette.ColorRole.Mid: "line",
    QPalette.ColorRole.Dark: "line",
    QPalette.ColorRole.Light: "card2",
    QPalette.ColorRole.Midlight: "card2",
    QPalette.ColorRole.Shadow: "background",
}


def palette(theme: Theme) -> QPalette:
    """Qt's palette in a theme's colours."""
    made = QPalette()
    for role, token in _ROLES.items():
        made.setColor(role, QColor(theme[token]))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme["faint"]))
    return made


_SHEET = Template("""
* { outline: none; }
QWidget#window, QWidget#stage, QStackedWidget, QWidget#library, QWidget#library-grid, QWidget#notes {
  background: $background; }
QWidget { color: $text; }
QLabel { background: transparent; }
QToolTip { background: $card2; color: $text; border: 1px solid $line; padding: ${p6}px; }

QFrame#header { background: $card; border: none; border-bottom: 1px solid $line; }
QFrame#rail, QFrame#lab-panel { background: $card; border: none; border-right: 1px solid $line; }
QFrame#rail-foot { background: $card; border: none; border-top: 1px solid $line; }
QFrame#timeline-dock { background: $card; border: none; border-top: 1px solid $line; }
QFrame[card="true"] { background: $card; border: 1px solid $line; border-radius: ${p12}px; }
QFrame[card="true"][lit="true"] { border: 2px solid $now; }
QFrame[panel="true"] { background: $card2; border: 1px solid $line; border-radius: ${p12}px; }
QFrame#transport { background: $card2; border: 1px solid $line; border-radius: ${p10}px; }
QFrame#banner { background: $trapTint; border: 1px solid $trap; border-radius: ${p8}px; }
QFrame#banner[kind="info"] { background: $nowTint; border-color: $now; }
QFrame#rule { background: $line; border: none; }

QLabel[type="small"] { color: $dim; }
QLabel[type="pressed"] { background: $text; color: $background; border-radius: ${p10}px; }
QLabel[type="kicker"] { color: $now; }
QLabel[type="good"] { color: $good; }
QLabel[type="bad"] { color: $trap; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: ${p6}px; padding: ${p4}px;
  color: $dim; }
QToolButton:hover { color: $text; background: $hover; }
QToolButton:pressed, QToolButton:checked { color: $text; background: $nowTint; }
QToolButton:disabled { color: $faint; }
QToolButton:focus { border: 1px solid $now; }
QToolButton::menu-indicator { image: none; }
QToolButton[key="true"] { padding: ${p6}px ${p9}px; border-radius: ${p7}px; }
QToolButton[verb="true"] { border: 1px solid $line; background: $card2; color: $text; padding: ${p3}px; }
QToolButton[verb="true"]:hover, QToolButton[verb="true"]:focus { border-color: $now; }
QToolButton[run="true"] { background: $now; color: $onNow; }
QToolButton[run="true"]:hover { background: $nowHover; color: $onNow; }
QToolButton[run="true"]:focus { border: 1px solid $text; }
QToolButton[run="true"]:disabled { background: $hover; color: $faint; }
QToolButton[segment="true"] { border: none; border-right: 1px solid $line; border-radius: 0; padding: ${p4}px ${p9}px; }
QToolButton[segment="true"]:checked { color: $text; background: $nowTint; }
QToolButton[segment="true"]:focus { background: $hover; border-bottom: 2px solid $now; }
QToolButton[segment="last"] { border: none; border-radius: 0; padding: ${p4}px ${p9}px; }
QToolButton[segment="last"]:checked { color: $text; background: $nowTint; }
QToolButton[segment="last"]:focus { background: $hover; border-bottom: 2px solid $now; }
QFrame#technique, QFrame#paging { border: 1px solid $line; border-radius: ${p8}px; background: $card; }

QPushButton { background: $card2; color: $text; border: 1px solid $line; border-radius: ${p8}px;
  padding: ${p7}px ${p14}px; }
QPushButton:hover { border-color: $now; }
QPushButton:focus { border: 1px solid $now; }
QPushButton:disabled { color: $faint; }
QPushButton[primary="true"] { background: $now; color: $onNow; border: 1px solid $now; padding: ${p9}px ${p15}px; }
QPushButton[primary="true"]:hover { background: $nowHover; }
QPushButton[primary="true"]:focus { border: 2px solid $text; }
QPushButton[primary="true"]:disabled { background: $hover; color: $faint; border-color: $line; }
QPushButton[fold="true"] { background: transparent; border: none; color: $dim; text-align: left; padding: ${p4}px 0; }
QPushButton[fold="true"]:hover, QPushButton[fold="true"]:focus { color: $now; }

QLineEdit { background: $card2; color: $text; border: 1px solid $line; border-radius: ${p8}px;
  padding: ${p6}px ${p9}px; selection-background-color: $now; selection-color: $onNow; }
QLineEdit[cell="true"] { padding: ${p2}px ${p6}px; border-radius: ${p4}px; }
QLineEdit:focus { border: 1px solid $now; }
QLineEdit[field="true"] { background: $card; border: 2px solid $now; border-radius: ${p4}px; padding: 0 ${p4}px; }
QListWidget { background: $card2; border: 1px solid $line; border-radius: ${p8}px; padding: ${p3}px; color: $text; }
QListWidget:focus { border: 1px solid $now; }
QListWidget::item { padding: ${p2}px ${p4}px; border-radius: ${p4}px; }
QListWidget::item:selected { background: $nowTint; color: $text; }
QListWidget::item:disabled { color: $dim; }
QPlainTextEdit, QTextBrowser { background: transparent; border: none; color: $text;
  selection-background-color: $now; selection-color: $onNow; }
QScrollArea, QScrollArea > QWidget > QWidget#column { background: transparent; border: none; }

QTableView { background: transparent; border: none; gridline-color: $line; selection-background-color: $nowTint;
  selection-color: $text; alternate-background-color: transparent; }
QHeaderView { background: transparent; border: none; }
QHeaderView::section { background: transparent; color: $dim; border: none; border-bottom: 1px solid $line;
  padding: ${p4}px ${p6}px; }
QHeaderView::section:first, QHeaderView::section:only-one { padding-left: ${p15}px; }
QTableCornerButton::section { background: transparent; border: none; }

QScrollBar:vertical { background: transparent; width: ${p10}px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: ${p10}px; margin: 2px; }
QScrollBar::handle { background: $line; border-radius: ${p3}px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $faint; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QSlider { min-height: ${p20}px; }
QSlider::groove:horizontal { height: ${p4}px; background: $line; border-radius: ${p2}px; }
QSlider::sub-page:horizontal { background: $now; border-radius: ${p2}px; }
QSlider::handle:horizontal { width: ${p12}px; margin: -${p4}px 0; border-radius: ${p6}px; background: $text; }
QSlider::handle:horizontal:focus { background: $now; }

QMenu { background: $card2; border: 1px solid $line; padding: ${p4}px; color: $text; }
QMenu::item { padding: ${p6}px ${p20}px; border-radius: ${p4}px; }
QMenu::item:selected { background: $nowTint; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $line; margin: ${p4}px; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $now; }
QDialog { background: $card; }
""")


def style_sheet(theme: Theme, zoom: float) -> str:
    """Qt's style sheet in a theme's colours at a zoom."""
    values = {name: theme[name] for name in ("background", "card", "card2", "line", "text", "dim", "faint", "now")}
    values |= {f"p{at}": str(pixels(at, zoom)) for at in range(1, 21)}
    return _SHEET.substitute(
        values,
        trap=theme["trap"],
        good=theme["good"],
        onNow=theme["on-now"],
        nowTint=theme.tinted("now"),
        trapTint=theme.tinted("trap"),
        nowHover=mix(theme["text"], theme["now"], 0.15),
        hover=mix(theme["dim"], theme["card2"], 0.16),
    )
