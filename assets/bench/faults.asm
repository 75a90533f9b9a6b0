; faults: read a page that is not there; the handler goes on behind the instruction, for ever.

%include "start.inc"
        dd      0, 0
PAGE_FAULT      equ 14
NOWHERE         equ 0x40000000
HANDLER         equ handler - $$ + ORIGIN
        align   PAGE, db 0
main:   mov     dword [idt + PAGE_FAULT*8], HANDLER & 0xFFFF | CODE << 16
        mov     dword [idt + PAGE_FAULT*8 + 4], HANDLER & 0xFFFF0000 | 0x8E00
.next:  mov     eax, [NOWHERE]
        jmp     .next
handler:
        add     esp, 4
        add     dword [esp], 5          ; the length of that MOV
        iretd
finish: hlt
