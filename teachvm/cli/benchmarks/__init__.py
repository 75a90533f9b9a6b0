"""What `teachvm bench` measures of the machine: small programs on our tiers, and on Unicorn where it is installed.

Role: run the programs of `assets/bench`, take the time, give figures. Allowed imports: world, guest, trace, resources;
`unicorn_pc` alone imports Unicorn, an engine of the same instruction set that nothing else here depends on.

Design notes: a figure means something only beside another one taken in the same run on the same computer, so both
sides execute the same image from its first instruction, with paging on, and take turns.
"""
