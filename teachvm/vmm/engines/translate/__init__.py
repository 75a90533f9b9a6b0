"""Binary translation: guest kernel code runs as a rewritten copy, user code directly.

`records` is what is known about every unit, and what views draw; `fields` the VCPU's fields that translated code can
reach; `sequences` what replaces single instructions; `unit` what a unit consists of; `translator` turns one into bytes;
`cache` keeps the fragments, finds, chains and drops them; `engine` runs a VM with all of that.
"""
