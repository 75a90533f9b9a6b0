"""Memory virtualization: what stands between guest-physical and host-physical frames.

Role: shadow page tables; derived state that can be dropped at any moment with no change a guest can see.
May import: the rest of `vmm` and what `vmm` may import.
"""
