; coop: another small system, as different from tinyos as the same processor allows. One address space, no paging, all in
; ring 0, and tasks that keep the CPU until they give it away themselves. What it does it is told at its prompt, by a
; script the loader left or by somebody at the console.
;
; It executes no instruction that is sensitive but does not fault outside ring 0: a kernel that happens to suit trap and
; emulate.

        bits    32
%include "constants.inc"

        org     KERNEL_BASE

kernel_text:
%include "boot.asm"
%include "tasks.asm"
%include "commands.asm"
%include "console.asm"
%include "interrupts.asm"
        align   PAGE, db 0
kernel_text_end:

%include "data.asm"
kernel_end:
