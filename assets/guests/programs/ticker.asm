; ticker: compute for a while, say so, and again. Two of them show that the CPU is taken from each in turn.
;
; The number it is given: low byte the letter it calls itself (0: A for process 1, B for process 2, ...), next byte how
; many times it speaks, at most 9 (0: 4 times).

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

DELAY               equ 1250            ; rounds of two instructions: longer than a timer tick

start:
        mov     esi, eax
        mov     eax, SYS_GETPID
        int     SYSTEM_CALL
        mov     ecx, eax
        add     al, '0'
        mov     [line_pid], al
        mov     eax, esi
        test    al, al
        jnz     .letter
        lea     eax, [ecx + 'A' - 1]
.letter:
        mov     [line_letter], al
        mov     eax, esi
        movzx   edi, ah                 ; times to speak
        test    edi, edi
        jnz     .speak
        mov     edi, 4

.speak:
        call    compute
        inc     byte [line_tick]
        mov     ecx, line
        mov     edx, line_end - line
        call    write_text
        dec     edi
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
line:           db "ticker "
line_letter:    db "? (pid "
line_pid:       db "?): "
line_tick:      db "0", 10
line_end:
