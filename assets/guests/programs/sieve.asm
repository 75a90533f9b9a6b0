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
        mov     esi, edx
        mov     ecx, primes
        mov     edx, primes_end - primes
        call    write_text
        mov     eax, ebp
        call    write_number
        mov     ecx, colon
        mov     edx, colon_end - colon
        call    write_text
        mov     eax, esi
        call    write_number
        mov     ecx, newline
        mov     edx, 1
        call    write_text
        xor     ebx, ebx
        jmp     exit

%include "output.inc"

        align   PAGE, db 0
primes:         db "primes below "
primes_end:
colon:          db ": "
colon_end:
newline:        db 10
