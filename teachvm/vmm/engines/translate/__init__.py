"""Binary translation: guest kernel code runs as a rewritten copy, user code directly.

`records` is what is known about every unit, and what views draw; `fields` the VCPU's fields that translated code can
reach; `lending` how it reaches what the guest reaches through segment registers it keeps for itself; `sequences` what
replaces single instructions; `unit` what a unit consists of; `translator` turns one into bytes; `modes` what units are
made for; `cache` keeps the fragments, finds, chains and drops them; `running` executes them; `decision` says whether
the guest runs from there, directly, or neither way; `engine` runs a VM with all of that.
"""
