"""The tests mirror `teachvm/`; `python3 -m tests` runs them all."""
