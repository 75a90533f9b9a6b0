; loop: seven instructions over one doubleword of memory.

%include "start.inc"
        dd      0, 0
        align   PAGE, db 0
main:
        mov     ecx, 5000
        mov     esi, ROOM
        xor     eax, eax
.next:  mov     edx, [esi]
        add     edx, ecx
        mov     [esi], edx
        add     eax, edx
        xor     eax, ecx
        dec     ecx
        jnz     .next
        dec     dword [rounds]
        jnz     main
finish: hlt
