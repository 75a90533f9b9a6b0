; pages: touch memory one page at a time, so that each kind of page walk can be watched.
;
; The number it is given chooses the end: 0 a normal one, 1 reads through a null pointer, 2 reads the kernel's memory,
; 3 writes below its own heap into nothing.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

HEAP_PAGES          equ 4

start:
        mov     ebp, eax
first_read:
        mov     eax, [value]            ; the page is mapped: the walk sets A on the way
second_read:
        mov     eax, [value + 4]        ; the same page again: the TLB knows it, there is no walk
first_write:
        mov     [value], eax            ; known to be clean: the walk is made again, to set D
second_write:
        mov     [value + 4], eax
next_page:
        mov     eax, [value + PAGE]     ; another page of the same table
stack_page:
        push    eax                     ; no page yet: a page fault, and the kernel gives one
        pop     eax

        xor     ebx, ebx
        mov     eax, SYS_BRK
        int     SYSTEM_CALL
        mov     edi, eax                ; where the heap begins
        lea     ebx, [eax + HEAP_PAGES * PAGE]
        mov     eax, SYS_BRK
        int     SYSTEM_CALL             ; room, but no pages
        mov     esi, HEAP_PAGES
touch_heap:
        mov     [edi], esi              ; each time a page fault first, then the write
        add     edi, PAGE
        dec     esi
        jnz     touch_heap

        lea     ebx, [edi - HEAP_PAGES * PAGE]
        mov     eax, SYS_BRK
        int     SYSTEM_CALL             ; give the pages back: the kernel must tell the TLB
        push    edi
        mov     edi, line
        mov     esi, done
        call    put_text
        call    write_line
        pop     edi

        cmp     ebp, 1
        je      null_pointer
        cmp     ebp, 2
        je      kernel_memory
        cmp     ebp, 3
        je      no_memory
        xor     ebx, ebx
        jmp     exit

null_pointer:
        mov     eax, [0]
kernel_memory:
        mov     eax, [0x00010000]
no_memory:
        mov     [edi], eax

%include "output.inc"

        align   PAGE, db 0
value:          dd 1, 2
done:           db "pages: touched all", 0
line:           times 80 db 0
        align   PAGE, db 0
                dd 3
