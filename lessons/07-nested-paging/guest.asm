; A kernel that does nothing but use its page tables: one line of code for each thing the lesson shows.
;
; It maps a few pages, reads them in different ways, lets one page fault happen, and then does two kinds of work: reading
; many pages again and again, and changing many page-table entries.

        bits    32
        org     0x00010000

DIRECTORY           equ 0x00020000      ; the page directory
KERNEL_TABLE        equ 0x00021000      ; directory entry 0: the first 4 MB, each page at its own address
LESSON_TABLE        equ 0x00022000      ; directory entry 32
MANY_TABLE          equ 0x00023000      ; directory entry 34
FRAME               equ 0x00030000      ; the frame behind the pages we look at
FRESH_FRAME         equ 0x00031000      ; nobody has touched this one yet
KERNEL_STACK        equ 0x00018000

WATCHED             equ 0x0804A3F4      ; directory entry 32, table entry 74, offset 0x3f4
LARGE               equ 0x084303F4      ; directory entry 33: a page of 4 MB, and FRAME lies in it
ABSENT              equ 0x08050000      ; table entry 80: not present
ABSENT_ENTRY        equ LESSON_TABLE + 80 * 4
FRESH               equ 0x08051000      ; table entry 81: present for the guest
MANY                equ 0x08800000      ; directory entry 34: 128 pages, all of them FRAME
MANY_PAGES          equ 128             ; twice as many as the TLB can hold
ROUNDS              equ 4
CHANGES             equ 64

PRESENT             equ 1
WRITABLE            equ 2
LARGE_PAGE          equ 0x80
MAPPED              equ PRESENT | WRITABLE
PAGE_SIZE_ENABLE    equ 1 << 4          ; CR4.PSE: pages of 4 MB are allowed
PAGING_ON           equ 1 << 31 | 1 << 16

start:
        mov     esp, KERNEL_STACK
        lidt    [idt_register]

        mov     edi, KERNEL_TABLE       ; the first 4 MB
        mov     eax, MAPPED
        mov     ecx, 1024
.page:
        mov     [edi], eax
        add     edi, 4
        add     eax, 4096
        dec     ecx
        jnz     .page
        mov     edi, MANY_TABLE         ; 128 pages at one frame
        mov     ecx, MANY_PAGES
        mov     eax, FRAME | MAPPED
        rep stosd
        mov     dword [DIRECTORY], KERNEL_TABLE | MAPPED
        mov     dword [DIRECTORY + 32 * 4], LESSON_TABLE | MAPPED
        mov     dword [DIRECTORY + 33 * 4], LARGE_PAGE | MAPPED
        mov     dword [DIRECTORY + 34 * 4], MANY_TABLE | MAPPED
        mov     dword [LESSON_TABLE + 74 * 4], FRAME | MAPPED
        mov     dword [LESSON_TABLE + 81 * 4], FRESH_FRAME | MAPPED
        mov     dword [FRAME + 0x3F4], 42

        mov     eax, cr4
        or      eax, PAGE_SIZE_ENABLE
        mov     cr4, eax
        mov     eax, DIRECTORY
        mov     cr3, eax
        mov     eax, cr0
        or      eax, PAGING_ON
paging:
        mov     cr0, eax

        push    eax                     ; stack and descriptor table are touched once before they are needed
        pop     eax
        mov     eax, [0x500]

; ---- one page, read twice; and the same byte through a page of 4 MB --------------------------------------------------

        mov     ebx, WATCHED
first_read:
        mov     eax, [ebx]
second_read:
        mov     eax, [ebx + 4]
large_read:
        mov     eax, [LARGE]
large_done:

; ---- two faults: the guest's, and one it never hears of --------------------------------------------------------------

fault_read:
        mov     eax, [ABSENT]
fault_done:
fresh_read:
        mov     eax, [FRESH]
fresh_done:

; ---- work of two kinds -----------------------------------------------------------------------------------------------

first_round:
        mov     edx, 1
        call    read_pages              ; every page for the first time
read_many:
        mov     edx, ROUNDS
        call    read_pages              ; and again: the tables know them all, the TLB cannot
read_done:

        mov     edi, MANY_TABLE
        mov     esi, MANY
        mov     ecx, CHANGES
change_many:
        mov     dword [edi], FRESH_FRAME | MAPPED       ; another frame behind the page,
        invlpg  [esi]                                   ; tell the TLB,
        mov     eax, [esi]                              ; and use it
        add     edi, 4
        add     esi, 4096
        dec     ecx
        jnz     change_many
changed:
        cli
        hlt

; read_pages: read one word of each of the many pages.
;   EDX  how many times. Changes EAX, ECX, ESI.
read_pages:
        mov     esi, MANY
        mov     ecx, MANY_PAGES
.page:
        mov     eax, [esi]
        add     esi, 4096
        dec     ecx
        jnz     .page
        dec     edx
        jnz     read_pages
        ret

; ---- the page-fault handler: map the page, and let the instruction start over ----------------------------------------

page_fault:
        mov     dword [ABSENT_ENTRY], FRAME | MAPPED
        add     esp, 4                  ; the error code
        iretd

; ---- what the CPU reads ----------------------------------------------------------------------------------------------

        align   8, db 0
idt:
        times 14 * 2 dd 0
        dw      (page_fault - $$) & 0xFFFF
        dw      0x08                    ; the loader's code segment
        db      0, 0x8E
        dw      1                       ; the kernel lies in 0x00010000 to 0x0001ffff
idt_end:
idt_register:
        dw      idt_end - idt - 1
        dd      idt
