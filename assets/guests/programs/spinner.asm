; spinner: compute and nothing else. The number it is given is how many rounds of two instructions; 0 is for ever.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        mov     ecx, eax
.round:
        dec     ecx                     ; from 0 it takes 4 294 967 296 rounds, and then again
        jnz     .round
        test    eax, eax
        jz      .round
        mov     edi, line
        mov     esi, done
        call    put_text
        call    write_line
        xor     ebx, ebx
        jmp     exit

%include "output.inc"

        align   PAGE, db 0
done:           db "spinner: done", 0
line:           times 80 db 0
