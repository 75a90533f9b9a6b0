; flood: a byte to the serial port, for ever.

%include "start.inc"
        dd      0, 0
TRANSMIT        equ 0x3F8
        align   PAGE, db 0
main:   mov     dx, TRANSMIT
        mov     al, 'A'
.next:  out     dx, al
        jmp     .next
finish: hlt
