; sieve: the primes below 8192 by Eratosthenes' method, a byte per number.

%include "start.inc"
        dd      0, 0
LIMIT           equ 8192

        align   PAGE, db 0
main:
        mov     edi, ROOM
        mov     ecx, LIMIT / 4
        mov     eax, 0x01010101
.clear: mov     [edi], eax
        add     edi, 4
        dec     ecx
        jnz     .clear

        mov     esi, 2
.outer: cmp     byte [esi + ROOM], 0
        je      .next
        lea     ebx, [esi + esi]
.inner: cmp     ebx, LIMIT
        jae     .next
        mov     byte [ebx + ROOM], 0
        add     ebx, esi
        jmp     .inner
.next:  inc     esi
        cmp     esi, LIMIT
        jb      .outer
        dec     dword [rounds]
        jnz     main
finish: hlt
