; Everything the dialect has, in the shape of a small kernel.
        bits    32
BASE    equ     0x100000
        org     BASE

CODE    equ     0x08
DATA    equ     CODE + 8
%define SERIAL 0x3f8
%define STATUS SERIAL + 5
%define VERBOSE
%assign vector 32

%include "traps.inc"

start:
        mov     esp, stack_top
        lgdt    [gdt_descriptor]
        jmp     CODE:.reload
.reload:
        mov     eax, DATA
        mov     ds, eax
        mov     ss, eax
        lidt    [idt_descriptor]
        mov     eax, directory
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 1 << 31 | 1
        mov     cr0, eax
        call    banner
        SPIN    1000
        SPIN    vector * 2
        sti
idle:   hlt
        jmp     idle

banner:
        mov     esi, .text
        mov     ecx, .text_end - .text
.next:  lodsb
        call    put
        loop    .next
        ret
.text:  db      'kernel "one"', 10, `tab\there`, 0
.text_end:

put:
        push    edx
        push    eax
        mov     edx, STATUS
.wait:  in      al, dx
        test    al, 0x20
        jz      .wait
        pop     eax
        mov     edx, SERIAL
        out     dx, al
        pop     edx
        ret

TRAP 0
TRAP 6
TRAP_WITH_ERROR 13
TRAP_WITH_ERROR 14

trap_common:
        pushad
        push    ds
        push    es
        mov     eax, [esp + 40]
        cmp     eax, 14
        je      near .page
        cmp     dword [esp + 44], 13
        jne     .other
.page:  mov     eax, cr2
        mov     [last_fault + 4 * 1], eax
        inc     dword [last_fault]
        jmp     short .out
.other: add     dword [counters + eax * 4], 1
        adc     dword [counters + eax * 4 + 4], 0
.out:
        pop     es
        pop     ds
        popad
        add     esp, 8
        iretd

%rep 4
irq_%+vector:
        push    dword vector
        jmp     trap_common
%assign vector vector + 1
%endrep

task_switch:
        mov     [es:edi + ebx * 8 - 4], eax
        lea     eax, [ebx + ebx * 2 + table_of_tasks]
        mov     dword [fs:0], -1
        lock cmpxchg [ebx], ecx
        rep movsd
        repne scasb
        xchg    eax, [ebp]
        bts     dword [bitmap], 3
        movzx   eax, byte [ebx + bitmap]
        setne   [bitmap + 1]
        push    dword [task_switch]
        ret     4

%ifdef VERBOSE
verbose: db     1
%else
verbose: db     0
%endif
%if CODE = 8 && DATA > CODE
right:  db      "yes"
%elif 1
right:  db      "no"
%endif

        align   8
gdt:    dq      0
        dq      0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_end:
gdt_descriptor:
        dw      gdt_end - gdt - 1
        dd      gdt
        align   4, db 0
idt:
        GATE    trap_0, CODE
        GATE    trap_6, CODE
        times 7 dq 0
        GATE    trap_13, CODE
        GATE    trap_14, CODE, 0x8f
        GATE    irq_32, CODE, 0xee
idt_end:
idt_descriptor:
        dw      idt_end - idt - 1
        dd      idt

last_fault:     dd 0, 0
counters:       times 16 dd 0
table_of_tasks: resd 8
bitmap:         resb 3
                resw 2
                resq 1
        align   4096, db 0
directory:
        times   1024 dd 0
        resb    4096 - 64
stack_top:
END     equ     $ - $$
