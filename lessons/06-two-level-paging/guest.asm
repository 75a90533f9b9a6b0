; A kernel that does nothing but use its page tables: one line of code for each thing the lesson shows.
;
; It builds two page tables, turns paging on, reads and writes one page, takes the page away, and then makes page
; faults on purpose: from ring 0 and from ring 3. Its page-fault handler says what the CPU told it.

        bits    32
        org     0x00010000

DIRECTORY           equ 0x00020000      ; the page directory: 1024 entries of 4 bytes
KERNEL_TABLE        equ 0x00021000      ; page table for directory entry 0: the first 4 MB, each page at its own address
LESSON_TABLE        equ 0x00022000      ; page table for directory entry 32
FRAME               equ 0x0001A000      ; the frame behind the page we look at
KERNEL_STACK        equ 0x00018000
PROGRAM             equ 0x00012000      ; the page with the program, at the end of this file

WATCHED             equ 0x0804A3F4      ; directory entry 32, table entry 74, offset 0x3f4
WATCHED_ENTRY       equ LESSON_TABLE + 74 * 4
READ_ONLY           equ 0x0804B000      ; table entry 75: the same frame, but ring 3 may only read it
USER_STACK          equ 0x0804A000      ; grows down inside table entry 73
NOWHERE             equ 0x09000000      ; directory entry 36: not present

PRESENT             equ 1
WRITABLE            equ 2
USER                equ 4

KERNEL_CODE         equ 0x08
KERNEL_DATA         equ 0x10
USER_CODE           equ 0x18 | 3
USER_DATA           equ 0x20 | 3
TASK_STATE          equ 0x28

start:
        mov     esp, KERNEL_STACK
        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     eax, TASK_STATE
        ltr     ax

        mov     edi, KERNEL_TABLE       ; the first 4 MB, for ring 0 only
        mov     eax, PRESENT | WRITABLE
        mov     ecx, 1024
.page:
        mov     [edi], eax
        add     edi, 4
        add     eax, 4096
        dec     ecx
        jnz     .page
        ; Ring 3 needs the page with its code: one page of the kernel's table is open to it, and so is the directory
        ; entry, because a right is the AND of both levels.
        mov     dword [DIRECTORY], KERNEL_TABLE | PRESENT | WRITABLE | USER
        mov     dword [KERNEL_TABLE + PROGRAM / 4096 * 4], PROGRAM | PRESENT | USER

        mov     dword [DIRECTORY + 32 * 4], LESSON_TABLE | PRESENT | WRITABLE | USER
        mov     dword [LESSON_TABLE + 73 * 4], 0x0001B000 | PRESENT | WRITABLE | USER
        mov     dword [WATCHED_ENTRY], FRAME | PRESENT | WRITABLE | USER
        mov     dword [LESSON_TABLE + 75 * 4], FRAME | PRESENT | USER
        mov     dword [FRAME + 0x3F4], 42
        mov     dword [FRAME + 0x3F8], 7

        mov     eax, DIRECTORY
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 1 << 31 | 1 << 16  ; PG: paging. WP: ring 0, too, respects read-only pages
        mov     cr0, eax

; ---- one page, looked at closely ------------------------------------------------------------------------------------

        mov     ebx, WATCHED
first_read:
        mov     eax, [ebx]              ; not in the TLB: the CPU walks the tables
second_read:
        mov     eax, [ebx + 4]          ; the same page: the TLB knows it
first_write:
        mov     [ebx], eax              ; the TLB knows the page as clean: the CPU walks again, to set D
second_write:
        mov     [ebx + 4], eax

unmap:
        mov     dword [WATCHED_ENTRY], 0        ; the table says: not present
stale_read:
        mov     eax, [ebx]              ; the TLB still says: present
invalidate:
        invlpg  [ebx]                   ; tell the TLB
fault_read:
        mov     eax, [ebx]              ; now it is a page fault; the handler maps the page and this runs again
after_fault:

; ---- ring 3 ---------------------------------------------------------------------------------------------------------

        mov     eax, USER_DATA          ; iretd to ring 3 would clear data segments that are the kernel's
        mov     ds, eax
        mov     es, eax
        push    dword USER_DATA
        push    dword USER_STACK
        push    dword 2                 ; EFLAGS: nothing but the bit that is always one
        push    dword USER_CODE
        push    dword PROGRAM
        iretd

; ---- the page-fault handler -----------------------------------------------------------------------------------------
; On the stack: error code, EIP, CS, EFLAGS and, from ring 3, ESP and SS.

page_fault:
        pushad
        mov     esi, text_error
        call    print
        mov     eax, [esp + 32]
        add     al, '0'                 ; error codes here have one digit
        call    print_char
        mov     esi, text_address
        call    print
        mov     eax, cr2
        call    print_hex
        mov     al, 10
        call    print_char
        test    byte [esp + 40], 3      ; CS: who did it?
        jnz     .skip
        mov     dword [WATCHED_ENTRY], FRAME | PRESENT | WRITABLE | USER
        jmp     .back
.skip:
        mov     eax, [esp]              ; EDI of the program: where it wants to go on
        mov     [esp + 36], eax
.back:
        popad
        add     esp, 4                  ; the error code
page_fault_return:
        iretd

finished:
        mov     esi, text_done
        call    print
        cli
        hlt

; ---- the console ----------------------------------------------------------------------------------------------------

print:
        lodsb
        test    al, al
        jz      .end
        call    print_char
        jmp     print
.end:
        ret

print_char:
        push    eax
        mov     edx, 0x3FD
.wait:
        in      al, dx
        test    al, 0x20
        jz      .wait
        pop     eax
        mov     edx, 0x3F8
        out     dx, al
        ret

print_hex:
        mov     ebp, eax
        mov     ecx, 8
.digit:
        rol     ebp, 4
        mov     eax, ebp
        and     eax, 15
        mov     al, [digits + eax]
        call    print_char
        dec     ecx
        jnz     .digit
        ret

digits:         db "0123456789abcdef"
text_error:     db "page fault: error ", 0
text_address:   db ", address ", 0
text_done:      db "done", 10, 0

; ---- what the CPU reads ---------------------------------------------------------------------------------------------

        align   8, db 0
gdt:
        dd      0, 0
        dd      0x0000FFFF, 0x00CF9B00  ; KERNEL_CODE: ring 0, 4 GB
        dd      0x0000FFFF, 0x00CF9300  ; KERNEL_DATA
        dd      0x0000FFFF, 0x00CFFB00  ; USER_CODE: ring 3, 4 GB
        dd      0x0000FFFF, 0x00CFF300  ; USER_DATA
        dw      103                     ; TASK_STATE: where a trap from ring 3 finds its stack
        dw      (tss - $$) & 0xFFFF
        db      1, 0x89, 0, 0
gdt_end:
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt

%macro gate 2                           ; handler, lowest privilege that may use INT n
        dw      (%1 - $$) & 0xFFFF
        dw      KERNEL_CODE
        db      0, 0x8E | (%2) << 5
        dw      1                       ; the kernel lies in 0x00010000 to 0x0001ffff
%endmacro

        align   8, db 0
idt:
        times 14 * 2 dd 0
        gate    page_fault, 0
        times (0x80 - 15) * 2 dd 0
        gate    finished, 3
idt_end:
idt_register:
        dw      idt_end - idt - 1
        dd      idt

        align   8, db 0
tss:
        dd      0, KERNEL_STACK, KERNEL_DATA
        times 104 - 12 db 0

; ---- a program in ring 3 --------------------------------------------------------------------------------------------
; It breaks three rules. EDI says where to go on after each.

        times PROGRAM - 0x00010000 - ($ - $$) db 0
program:
        mov     edi, user_second
user_reads_absent:
        mov     eax, [NOWHERE]
user_second:
        mov     edi, user_third
user_reads_kernel:
        mov     eax, [0x00010000]
user_third:
        mov     edi, user_end
user_writes_read_only:
        mov     [READ_ONLY], eax
user_end:
        int     0x80
