; What the CPU itself reads: descriptor tables and the task state segment, each on a page of its own.

%macro segment_descriptor 3                        ; base, access byte, flags and upper limit; limit 0xFFFFF
        dw      0xFFFF
        dw      (%1) & 0xFFFF
        db      (%1) >> 16 & 0xFF
        db      %2
        db      %3
        db      (%1) >> 24
%endmacro

        align   PAGE, db 0
gdt:
        dd      0, 0                    ; the null descriptor
        segment_descriptor 0, 0x9B, 0xCF           ; KERNEL_CODE: ring 0, readable, already accessed, 4 GiB
        segment_descriptor 0, 0x93, 0xCF           ; KERNEL_DATA: ring 0, writable
        segment_descriptor 0, 0xFB, 0xCF           ; USER_CODE: ring 3
        segment_descriptor 0, 0xF3, 0xCF           ; USER_DATA: ring 3
%ifndef PARAVIRT
TSS_ADDRESS         equ tss - $$ + KERNEL_BASE
        dw      tss_end - tss - 1       ; TASK_STATE: available 32-bit TSS, ring 0
        dw      TSS_ADDRESS & 0xFFFF
        db      TSS_ADDRESS >> 16 & 0xFF
        db      0x89
        db      0
        db      TSS_ADDRESS >> 24
%endif
gdt_end:

%ifdef PARAVIRT
%macro trap 3                           ; vector, lowest privilege that may use INT n, entry stub
        db      %1, %2
        dw      KERNEL_CODE
        dd      %3
%endmacro

        align   PAGE, db 0
trap_table:                             ; what SET_TRAP_TABLE tells the VMM; it ends with an address of zero
        trap    0, 0, divide_error
        trap    1, 0, debug_exception
        trap    2, 0, nmi_interrupt
        trap    3, 3, breakpoint
        trap    4, 3, overflow
        trap    5, 0, bound_range
        trap    6, 0, invalid_opcode
        trap    7, 0, device_not_available
        trap    8, 0, double_fault
        trap    9, 0, coprocessor_overrun
        trap    10, 0, invalid_tss
        trap    11, 0, segment_not_present
        trap    12, 0, stack_fault
        trap    13, 0, general_protection
        trap    14, 0, page_fault
        trap    16, 0, x87_error
        trap    17, 0, alignment_check
        trap    18, 0, machine_check
        trap    19, 0, simd_error
        trap    VECTOR_EVENT, 0, event
        trap    VECTOR_SYSTEM_CALL, 3, system_call
        dd      0, 0

; What guest and VMM share: whether events may come, which have come, where the last page fault was.
        align   PAGE, db 0
shared_info:        times PAGE db 0

%else
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt

%macro interrupt_gate 2                 ; entry stub, lowest privilege that may use INT n
        dw      (%1 - $$ + KERNEL_BASE) & 0xFFFF
        dw      KERNEL_CODE
        db      0
        db      0x8E | (%2) << 5        ; 32-bit interrupt gate: the CPU clears IF on the way in
        dw      (%1 - $$ + KERNEL_BASE) >> 16
%endmacro

        align   PAGE, db 0
idt:
        interrupt_gate divide_error, 0
        interrupt_gate debug_exception, 0
        interrupt_gate nmi_interrupt, 0
        interrupt_gate breakpoint, 3
        interrupt_gate overflow, 3
        interrupt_gate bound_range, 0
        interrupt_gate invalid_opcode, 0
        interrupt_gate device_not_available, 0
        interrupt_gate double_fault, 0
        interrupt_gate coprocessor_overrun, 0
        interrupt_gate invalid_tss, 0
        interrupt_gate segment_not_present, 0
        interrupt_gate stack_fault, 0
        interrupt_gate general_protection, 0
        interrupt_gate page_fault, 0
        interrupt_gate reserved_15, 0
        interrupt_gate x87_error, 0
        interrupt_gate alignment_check, 0
        interrupt_gate machine_check, 0
        interrupt_gate simd_error, 0
        interrupt_gate reserved_20, 0
        interrupt_gate reserved_21, 0
        interrupt_gate reserved_22, 0
        interrupt_gate reserved_23, 0
        interrupt_gate reserved_24, 0
        interrupt_gate reserved_25, 0
        interrupt_gate reserved_26, 0
        interrupt_gate reserved_27, 0
        interrupt_gate reserved_28, 0
        interrupt_gate reserved_29, 0
        interrupt_gate reserved_30, 0
        interrupt_gate reserved_31, 0
        interrupt_gate timer_interrupt, 0       ; 0x20: IRQ 0
        times 2 * 3 dd 0
        interrupt_gate serial_interrupt, 0      ; 0x24: IRQ 4
        times 2 * 2 dd 0
        interrupt_gate spurious_master, 0       ; 0x27: IRQ 7
        times 2 * 7 dd 0
        interrupt_gate spurious_slave, 0        ; 0x2F: IRQ 15
        times idt + VECTOR_SYSTEM_CALL * 8 - $ db 0
        interrupt_gate system_call, 3           ; 0x80: programs may
idt_end:

idt_register:
        dw      idt_end - idt - 1
        dd      idt

        align   PAGE, db 0
tss:
        dd      0                       ; no previous task
tss_esp0:
        dd      0                       ; stack on which a trap from ring 3 begins (process.asm)
        dd      KERNEL_DATA             ; and its segment
        times tss + 102 - $ db 0
        dw      tss_end - tss           ; the I/O permission map lies beyond the end: ring 3 may use no port
tss_end:
%endif
