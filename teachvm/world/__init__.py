"""Whole worlds: hosts with their tenants on one timeline, built from a specification.

Role: turn a `WorldSpec` into machines, VMMs and guests; move them one unit at a time; tell what came out.
Allowed imports: vmm, container, host, guest, machine, isa, trace, resources.

Design notes: a lesson, a command line and a test all describe what they want as a `WorldSpec`; `build` is the only
place where the pieces of the machine room are put together.
"""
