; tour: a script for coop, as it would be typed at its prompt: what there is, two workers side by side, and the end.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        db      "help", 10
        db      "mem", 10
        db      "tasks", 10
        db      "start", 10
        db      "start", 10
        db      "wait", 10
        db      "tasks", 10
        db      "lunch", 10
        db      "halt", 10
