; tight: one jump to itself, for ever.

%include "start.inc"
        dd      0, 0
        align   PAGE, db 0
main:   jmp     main
finish: hlt
