; copier: copy a block of memory back and forth, and check every copy.
;
; The number it is given is how many pages the block has (0: 4).

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

ROUNDS              equ 4

start:
        and     eax, 0x7FFF
        jnz     .pages
        mov     eax, 4
.pages:
        mov     ebp, eax
        shl     ebp, 12                 ; bytes in a block
        lea     eax, [eax + eax]        ; room for two of them
        call    working_set
        mov     ebp, [pages]
        shl     ebp, 9                  ; doublewords in one block
        mov     [size], ebp
        lea     eax, [edi + ebp * 4]
        mov     [other], eax
        mov     [one], edi
        mov     eax, 12345              ; fill the first
        mov     ecx, ebp
.fill:
        stosd
        imul    eax, eax, 1103515245
        add     eax, 12345
        dec     ecx
        jnz     .fill

        mov     edx, ROUNDS
.copy:
        mov     esi, [one]
        mov     edi, [other]
        mov     ecx, [size]
        rep movsd
        mov     esi, [one]
        mov     edi, [other]
        mov     ecx, [size]
        repe cmpsd
        mov     ebx, 1
        jne     exit
        mov     eax, [one]
        xchg    eax, [other]
        mov     [one], eax
        dec     edx
        jnz     .copy

        mov     edi, line
        mov     esi, copied
        call    put_text
        mov     eax, [pages]
        shr     eax, 1
        call    put_number
        mov     esi, times_each
        call    put_text
        mov     eax, ROUNDS
        call    put_number
        call    write_line
        xor     ebx, ebx
        jmp     exit

%include "pages.inc"
%include "output.inc"

        align   PAGE, db 0
pages:          dd 0
size:           dd 0
one:            dd 0
other:          dd 0
copied:         db "copier: pages ", 0
times_each:     db ", copied ", 0
line:           times 80 db 0
