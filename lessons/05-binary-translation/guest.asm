; A kernel that computes, takes a lock, and writes its own code: what a translator has to deal with.
;
; is_prime is the example of Adams and Agesen's paper of 2006, for 32 bits.

        bits    32
        org     0x00010000

KERNEL_STACK        equ 0x00018000
ROUNDS              equ 3

start:
        mov     esp, KERNEL_STACK
        sti                             ; nothing interrupts this kernel, but it could be
        mov     ebx, ROUNDS

; ---- the same call, three times --------------------------------------------------------------------------------------

round:
        mov     edi, 49
        call    is_prime
returned:
        dec     ebx
        jnz     round

; ---- a lock ----------------------------------------------------------------------------------------------------------

take:
        pushfd                          ; remember whether interrupts were on
        cli
taken:
        inc     dword [visits]
give:
        popfd                           ; as they were before
given:

; ---- a device --------------------------------------------------------------------------------------------------------

device:
        mov     dx, 0x3F8               ; the serial port
        mov     al, '*'
        out     dx, al
written:

; ---- code that changes -----------------------------------------------------------------------------------------------

first_call:
        call    constant
first_answer:
        mov     [answer], eax
change:
        mov     byte [constant + 1], 9  ; the second byte of mov eax, 5 is the 5
changed:
        call    constant
second_answer:
        mov     [answer], eax

finished:
        cli
        hlt

; is_prime: whether a number has no divisor.
;   EDI  number
; Returns EAX 1 or 0. Changes ECX, EDX, ESI.
is_prime:
        mov     ecx, edi
        mov     esi, 2
        cmp     esi, ecx
        jge     prime
next:
        mov     eax, ecx
        cdq
        idiv    esi
        test    edx, edx
        jz      not_prime
        inc     esi
        cmp     esi, ecx
        jl      next
prime:
        mov     eax, 1
        ret
not_prime:
        xor     eax, eax
        ret

; ---- data, and code that is written like data, each on a page of its own ---------------------------------------------

        align   4096, db 0
visits:         dd 0
answer:         dd 0

        align   4096, db 0
constant:
        mov     eax, 5
        ret
