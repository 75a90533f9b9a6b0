; Every way into the kernel, and the way back: exceptions, device interrupts, system calls.

; ---- entry stubs -----------------------------------------------------------------------------------------------------
; The IDT holds these. Each makes the frame the same shape (an error code, a vector) and goes to trap_entry.

%macro no_error_code 1                  ; vector
        push    dword 0
        push    dword %1
        jmp     trap_entry
%endmacro

%macro error_code 1                     ; vector; the CPU pushed the code
        push    dword %1
        jmp     trap_entry
%endmacro

divide_error:
        no_error_code 0
debug_exception:
        no_error_code 1
nmi_interrupt:
        no_error_code 2
breakpoint:
        no_error_code 3
overflow:
        no_error_code 4
bound_range:
        no_error_code 5
invalid_opcode:
        no_error_code 6
device_not_available:
        no_error_code 7
double_fault:
        error_code 8
coprocessor_overrun:
        no_error_code 9
invalid_tss:
        error_code 10
segment_not_present:
        error_code 11
stack_fault:
        error_code 12
general_protection:
        error_code 13
page_fault:
        error_code 14
reserved_15:
        no_error_code 15
x87_error:
        no_error_code 16
alignment_check:
        error_code 17
machine_check:
        no_error_code 18
simd_error:
        no_error_code 19
reserved_20:
        no_error_code 20
reserved_21:
        no_error_code 21
reserved_22:
        no_error_code 22
reserved_23:
        no_error_code 23
reserved_24:
        no_error_code 24
reserved_25:
        no_error_code 25
reserved_26:
        no_error_code 26
reserved_27:
        no_error_code 27
reserved_28:
        no_error_code 28
reserved_29:
        no_error_code 29
reserved_30:
        no_error_code 30
reserved_31:
        no_error_code 31
%ifndef PARAVIRT
timer_interrupt:
        no_error_code VECTOR_TIMER
serial_interrupt:
        no_error_code VECTOR_SERIAL
%endif
system_call:
%ifdef PARAVIRT
        interrupts_off                  ; the gate leads here directly, and nobody else turns them off
%endif
        no_error_code VECTOR_SYSTEM_CALL
%ifdef PARAVIRT
event:
        no_error_code VECTOR_EVENT
%else

; The interrupt controllers' answer when a request has gone before it was acknowledged: nothing is in service, so there
; is nothing to do; only the second controller leaves its line in service at the first.
spurious_slave:
        push    eax
        mov     al, PIC_EOI
        out     PIC1_COMMAND, al
        pop     eax
spurious_master:
        iretd
%endif

; ---- the common way --------------------------------------------------------------------------------------------------

; trap_entry: save the registers, run the handler, go back.
;
; From ring 3 the CPU switched to ESP0 of the TSS, which points behind the register frame of the running process: the
; frame is saved where it belongs, and the kernel runs on its own stack. From ring 0 (only the idle loop and the last
; steps of the system let interrupts in) the frame lies on the kernel stack.
; Segment registers are loaded, never read: all programs use the same ones.
trap_entry:
        pushad
        mov     eax, KERNEL_DATA
        mov     ds, eax
        mov     es, eax
        cld
        mov     ebx, esp
        test    byte [ebx + FRAME_CS], FROM_PROGRAM
        jz      .in_kernel
        mov     esp, kernel_stack_top
        call    trap_dispatch
        jmp     return_to_user
.in_kernel:
        call    trap_dispatch
        popad
        add     esp, 8                  ; vector and error code
        return_from_trap

; trap_dispatch: call the handler for a frame.
;   EBX  frame; handlers may change every register but EBX
trap_dispatch:
        mov     eax, [ebx + FRAME_VECTOR]
        cmp     eax, VECTOR_SYSTEM_CALL
        je      handle_system_call
%ifdef PARAVIRT
        cmp     eax, VECTOR_EVENT
        je      handle_events
%else
        cmp     eax, VECTOR_TIMER
        je      handle_tick
        cmp     eax, VECTOR_SERIAL
        je      handle_serial
%endif
        cmp     eax, VECTOR_PAGE_FAULT
        je      handle_page_fault
        jmp     handle_exception

; ---- exceptions ------------------------------------------------------------------------------------------------------

; handle_page_fault: give a program the heap or stack page it touched for the first time; anything else is a mistake.
;   EBX  frame
handle_page_fault:
        test    byte [ebx + FRAME_CS], FROM_PROGRAM
        jz      panic
        test    dword [ebx + FRAME_ERROR], PRESENT
%ifdef VERSION_2
        jnz     .present
%else
        jnz     handle_exception        ; the page is there, but not for this access
%endif
        fault_address
        call    demand_page
        jc      handle_exception
        ret
%ifdef VERSION_2
.present:                               ; not for this access; unless a copy is all that it takes
        test    dword [ebx + FRAME_ERROR], WRITABLE
        jz      handle_exception
        fault_address
        call    copy_on_write
        jc      handle_exception
        ret
%endif

; handle_exception: end the program that caused it; in the kernel itself there is no way on.
;   EBX  frame
handle_exception:
        test    byte [ebx + FRAME_CS], FROM_PROGRAM
        jz      panic
%ifdef VERSION_2
        mov     ebp, [current]
        mov     dword [ebp + PROC_STATUS], SIGSEGV
%endif
        call    print_process
        mov     esi, .killed
        call    print
        call    print_exception
        jmp     process_end
.killed:        db "killed: ", 0

; panic: the kernel itself failed. Says where, and stops the machine.
;   EBX  frame
panic:
        interrupts_off
        mov     esi, .panic
        call    print
        call    print_exception
        jmp     halt
.panic: db "panic: ", 0

; print_exception: "page fault, error 4, eip 08048000, address 00000000".
;   EBX  frame
print_exception:
        mov     eax, [ebx + FRAME_VECTOR]
        mov     esi, unknown_exception
        cmp     eax, EXCEPTIONS
        jae     .name
        mov     esi, [exception_names + eax * 4]
.name:
        call    print
        mov     esi, .error
        call    print
        mov     eax, [ebx + FRAME_ERROR]
        call    print_decimal
        mov     esi, .eip
        call    print
        mov     eax, [ebx + FRAME_EIP]
        call    print_hex
        cmp     dword [ebx + FRAME_VECTOR], VECTOR_PAGE_FAULT
        jne     .end
        mov     esi, .address
        call    print
        fault_address
        call    print_hex
.end:
        mov     al, 10
        jmp     print_char
.error:         db ", error ", 0
.eip:           db ", eip ", 0
.address:       db ", address ", 0
