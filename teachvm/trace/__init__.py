"""Time: moments, events, state capture, checkpoints and the timeline.

Role: everything that makes going back as exact as going forward. Knows nothing of x86, VMMs, lessons or Qt.
Allowed imports: the standard library only (this is the rightmost package of the import arrow).

Design notes: going back is restoring the nearest checkpoint and executing again. So the only duties of the rest of the
code are to declare its state (`Stateful`) and to be deterministic. A *unit* of execution leads from `(n, 0)` to
`(n + 1, 0)`; the visible things inside it are phases, reached by executing the unit again and stopping at the phase.
"""
