; writer: write one word of each page of its working set, again and again, each time another value: pages that never
; stay as they are.
;
; The number it is given: low half how many pages (0: 8), high half how many rounds (0: 4).

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        call    working_set
        xor     edx, edx                ; the value written last
.round:
        mov     esi, edi
        mov     ecx, [pages]
.page:
        inc     edx
        mov     [esi], edx
        add     esi, PAGE
        dec     ecx
        jnz     .page
        dec     ebp
        jnz     .round

        mov     esi, edi
        mov     ecx, [pages]
        xor     eax, eax
.sum:
        add     eax, [esi]
        add     esi, PAGE
        dec     ecx
        jnz     .sum
        mov     esi, written
        jmp     report

%include "pages.inc"
%include "output.inc"

        align   PAGE, db 0
pages:          dd 0
written:        db "writer: pages ", 0
line:           times 80 db 0
