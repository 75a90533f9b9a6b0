"""A specification made into hosts with their tenants on one timeline.

Role: builds, runs and compares whole worlds; run limits, digests and divergence live here.
May import: `vmm`, `container`, `host`, `guest`, `machine`, `isa`, `trace`.
"""
