"""What every kind of tenant shares on one host: frames, run queue, cost model, exception dispatch.

Role: the one truth about who owns a frame, who runs next and what work costs.
May import: `guest`, `machine`, `isa`, `trace`.
"""
