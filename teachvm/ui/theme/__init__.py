"""How everything looks: colours, fonts, icons, sizes, and the style sheet made from them.

Role: the one place where a role becomes a colour. May import: `app.wording`, `resources`, PySide6, the font packages.
"""
