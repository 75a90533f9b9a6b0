; toucher: read one word of each page of its working set, again and again: what it touches often should stay in memory.
;
; The number it is given: low half how many pages (0: 8), high half how many rounds (0: 4).

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        call    working_set
        xor     edx, edx                ; sum of what it read: all zero, as fresh memory is
.round:
        mov     esi, edi
        mov     ecx, [pages]
.page:
        add     edx, [esi]
        add     esi, PAGE
        dec     ecx
        jnz     .page
        dec     ebp
        jnz     .round
        mov     eax, edx
        mov     esi, touched
        jmp     report

%include "pages.inc"
%include "output.inc"

        align   PAGE, db 0
pages:          dd 0
touched:        db "toucher: pages ", 0
line:           times 80 db 0
