; bubble: sort 128 numbers by exchanging neighbours.

%include "start.inc"
        dd      0, 0
COUNT           equ 128

        align   PAGE, db 0
main:
        mov     ecx, COUNT
        mov     edi, ROOM
        mov     eax, 12345
.fill:  imul    eax, eax
        add     eax, 12345
        mov     edx, eax
        shr     edx, 8
        mov     [edi], edx
        add     edi, 4
        dec     ecx
        jnz     .fill

        mov     ecx, COUNT - 1
.pass:  xor     esi, esi
.pair:  mov     eax, [esi*4 + ROOM]
        mov     edx, [esi*4 + ROOM + 4]
        cmp     eax, edx
        jbe     .kept
        mov     [esi*4 + ROOM], edx
        mov     [esi*4 + ROOM + 4], eax
.kept:  inc     esi
        cmp     esi, ecx
        jb      .pair
        dec     ecx
        jnz     .pass
        dec     dword [rounds]
        jnz     main
finish: hlt
