; tinyos: a small operating system for a PC with one 32-bit x86 CPU.
;
; It turns paging on, starts the programs the loader put into memory, each in ring 3 with page tables of its own,
; takes the CPU away from them at every timer tick, and answers a few Linux system calls through int 0x80.
;
; This file is the layout of the image; every part has a file of its own. Code comes first, then data, each thing the
; CPU itself reads (GDT, IDT, TSS) on a page of its own, so that nobody who watches writes to one page sees another's.
;
; One source, two versions: version2.asm defines VERSION_2, which adds processes that make others (fork, execve, wait4),
; programs as ELF files, and pages that are copied when they are written. And two builds of each: for a machine, and for
; a VMM (paravirtual.asm defines PARAVIRT), which the kernel then calls instead of touching the hardware. What differs
; between the two is in machine.inc and hypercalls.inc, under the same names.

        bits    32
%ifdef PARAVIRT
%include "hypercalls.inc"
%else
%include "machine.inc"
%endif
%include "constants.inc"

        org     KERNEL_BASE

kernel_text:
%include "boot.asm"
%include "traps.asm"
%include "process.asm"
%include "syscalls.asm"
%include "memory.asm"
%include "timer.asm"
%include "console.asm"
%include "lock.asm"
%ifdef PARAVIRT
%include "hypercalls.asm"
%endif
%ifdef VERSION_2
%include "fork.asm"
%include "exec.asm"
%endif
        align   PAGE, db 0
kernel_text_end:

%include "tables.asm"
%include "data.asm"
kernel_end:
