; repeat: one instruction of four thousand million iterations, through an address space that is the same 4 MiB over and over.

%include "start.inc"
        dd      0, 0
        align   PAGE, db 0
main:   mov     edi, DIRECTORY
        mov     ecx, ENTRIES
        mov     eax, TABLE + PRESENT
        rep stosd
        mov     eax, cr3
        mov     cr3, eax
.next:  xor     esi, esi
        mov     ecx, 0xFFFFFFFF
        rep lodsb
        jmp     .next
finish: hlt
