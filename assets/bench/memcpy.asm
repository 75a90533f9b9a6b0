; memcpy: copy 16 KiB by doublewords with REP MOVSD.

%include "start.inc"
        dd      0, 0
COUNT           equ 4096

        align   PAGE, db 0
main:
        mov     esi, ROOM
        mov     edi, ROOM + 4 * COUNT
        mov     ecx, COUNT
        rep movsd
        dec     dword [rounds]
        jnz     main
finish: hlt
