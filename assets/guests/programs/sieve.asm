; sieve: count the primes below the number it is given (0: below 1000) by Eratosthenes' method, in memory from brk.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        test    eax, eax
        jnz     .limit
        mov     eax, 1000
.limit:
        mov     ebp, eax                ; the limit
        xor     ebx, ebx
        mov     eax, SYS_BRK
        int     SYSTEM_CALL
        mov     edi, eax                ; one byte per number: 1 once it is known to be a product
        lea     ebx, [eax + ebp]
        mov     eax, SYS_BRK
        int     SYSTEM_CALL
        cmp     eax, ebx
        mov     ebx, 1
        jne     exit

        xor     edx, edx                ; primes found
        mov     ecx, 2
.number:
        cmp     ecx, ebp
        jae     .end
        cmp     byte [edi + ecx], 0
        jne     .next
        inc     edx
        lea     esi, [ecx + ecx]
.product:
        cmp     esi, ebp
        jae     .next
        mov     byte [edi + esi], 1
        add     esi, ecx
        jmp     .product
.next:
        inc     ecx
        jmp     .number

.end:
        push    edx
        mov     edi, line
        mov     esi, primes
        call    put_text
        mov     eax, ebp
        call    put_number
        mov     esi, colon
        call    put_text
        pop     eax
        call    put_number
        call    write_line
        xor     ebx, ebx
        jmp     exit

%include "output.inc"

        align   PAGE, db 0
primes:         db "primes below ", 0
colon:          db ": ", 0
line:           times 80 db 0
