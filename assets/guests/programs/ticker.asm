; ticker: compute for a while, say so, and again. Two of them show that the CPU is taken from each in turn.
;
; The number it is given: low byte the letter it calls itself (0: A for process 1, B for process 2, ...), next byte how
; many times it speaks (0: 4 times).

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

DELAY               equ 1250            ; rounds of two instructions: longer than a timer tick

start:
        mov     esi, eax
        mov     eax, SYS_GETPID
        int     SYSTEM_CALL
        mov     [pid], eax
        mov     ecx, esi
        test    cl, cl
        jnz     .letter
        lea     ecx, [eax + 'A' - 1]
.letter:
        mov     [letter], cl
        mov     eax, esi
        movzx   ebp, ah                 ; times to speak
        test    ebp, ebp
        jnz     .speak
        mov     ebp, 4

.speak:
        call    compute
        inc     dword [count]
        mov     edi, line
        mov     esi, ticker
        call    put_text
        mov     eax, [pid]
        call    put_number
        mov     esi, colon
        call    put_text
        mov     eax, [count]
        call    put_number
        call    write_line
        dec     ebp
        jnz     .speak
        xor     ebx, ebx
        jmp     exit

; compute: what a program does most of the time: neither the kernel nor the VMM hears of it.
compute:
        mov     ecx, DELAY
.round:
        dec     ecx
        jnz     .round
        ret

%include "output.inc"

        align   PAGE, db 0
pid:            dd 0
count:          dd 0                    ; how often it has spoken
ticker:         db "ticker "
letter:         db "? (pid ", 0
colon:          db "): ", 0
line:           times 80 db 0
