; A kernel that asks the processor about itself: one line of code for each thing the lesson shows.
;
; On bare metal every answer is what the kernel expects. Run it one ring down, and most answers change, without a trap.

        bits    32
        org     0x00010000

KERNEL_STACK        equ 0x00018000
KERNEL_CODE         equ 0x08            ; as the loader's own table has it
KERNEL_DATA         equ 0x10
TASK_STATE          equ 0x18
FLAGS_IF            equ 1 << 9
FLAGS_ON            equ FLAGS_IF | 2    ; IF set, and the bit that is always one

start:
        mov     esp, KERNEL_STACK

; ---- privileged: these fault outside ring 0 --------------------------------------------------------------------------

tables:
        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     eax, TASK_STATE
        ltr     ax

; ---- which ring is this? ---------------------------------------------------------------------------------------------

ask_ring:
        mov     eax, cs                 ; the two low bits of CS are the ring
asked_ring:
        and     eax, 3
        mov     [ring], eax

; ---- where is my table? ----------------------------------------------------------------------------------------------

ask_table:
        sgdt    [stored]                ; limit (2 bytes), then base (4 bytes)
asked_table:
        mov     eax, [stored + 2]
        cmp     eax, gdt
        sete    byte [mine]

; ---- are interrupts off? ---------------------------------------------------------------------------------------------

turn_off:
        cli
ask_flags:
        pushfd                          ; push EFLAGS, the register of flags
        pop     eax
asked_flags:
        shr     eax, 9                  ; IF is bit 9
        and     eax, 1
        mov     [interrupts], eax

; ---- interrupts on again ---------------------------------------------------------------------------------------------

turn_on:
        push    dword FLAGS_ON
restore:
        popfd                           ; load EFLAGS from the stack, IF with them
restored:

; ---- who may use my code? --------------------------------------------------------------------------------------------

ask_rights:
        mov     ecx, KERNEL_CODE
        lar     eax, ecx                ; load access rights of a segment
asked_rights:
        shr     eax, 13                 ; bits 14:13 are the ring the segment belongs to
        and     eax, 3
        mov     [owner], eax

; ---- say so ----------------------------------------------------------------------------------------------------------

report:
        mov     esi, text_ring
        mov     eax, [ring]
        call    print_answer
        mov     esi, text_mine
        movzx   eax, byte [mine]
        call    print_answer
        mov     esi, text_interrupts
        mov     eax, [interrupts]
        call    print_answer
        mov     esi, text_owner
        mov     eax, [owner]
        call    print_answer
finished:
        cli
        hlt

; print_answer: a text and a number of one digit.
;   ESI  text   EAX  number. Changes EDX.
print_answer:
        push    eax
.next:
        lodsb
        test    al, al
        jz      .number
        call    print_char
        jmp     .next
.number:
        pop     eax
        add     al, '0'
        call    print_char
        mov     al, 10

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

text_ring:          db "my ring: ", 0
text_mine:          db "the table is mine: ", 0
text_interrupts:    db "interrupts after cli: ", 0
text_owner:         db "ring of my code: ", 0

        align   4, db 0
ring:           dd 0
interrupts:     dd 0
owner:          dd 0
mine:           dd 0
stored:         times 8 db 0

; ---- what the CPU reads ----------------------------------------------------------------------------------------------
; On a page of its own: a VMM that watches this page for writes must not see the variables above.

        align   4096, db 0
gdt:
        dd      0, 0
        dd      0x0000FFFF, 0x00CF9B00  ; KERNEL_CODE: ring 0, 4 GB
        dd      0x0000FFFF, 0x00CF9300  ; KERNEL_DATA
        dw      103                     ; TASK_STATE
        dw      (tss - $$) & 0xFFFF
        db      1, 0x89, 0, 0
gdt_end:
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt
idt_register:
        dw      0                       ; no exception is expected
        dd      gdt

        align   8, db 0
tss:
        dd      0, KERNEL_STACK, KERNEL_DATA
        times 104 - 12 db 0
