; System calls: int 0x80 with Linux's numbers. EAX number, EBX ECX EDX arguments; EAX result, negative for an error.

; handle_system_call: look the call up and keep its result for the program.
;   EBX  frame
handle_system_call:
        mov     eax, [ebx + FRAME_EAX]
        mov     ebp, [current]
        mov     esi, call_table
.next:
        mov     edx, [esi]
        test    edx, edx
        jz      .unknown
        cmp     eax, edx
        je      .found
        add     esi, 8
        jmp     .next
.unknown:
        mov     eax, -ENOSYS
        jmp     .result
.found:
        call    [esi + 4]
.result:
        mov     [ebx + FRAME_EAX], eax
        ret

; Each call: EBX frame, EBP process; result in EAX; may change every register but EBX.

; exit(status)
sys_exit:
%ifdef VERSION_2
        movzx   eax, byte [ebx + FRAME_EBX]
        shl     eax, 8
        mov     [ebp + PROC_STATUS], eax
        cmp     dword [ebp + PROC_PARENT], 0
        jne     .quietly                ; its parent asks for the status
%endif
        call    print_process
        mov     esi, .exited
        call    print
        movzx   eax, byte [ebx + FRAME_EBX]
        call    print_decimal
        mov     al, 10
        call    print_char
%ifdef VERSION_2
.quietly:
%endif
        call    process_end
        xor     eax, eax
        ret
.exited:        db "exited: ", 0

; write(fd, buffer, count): standard output and standard error are the console.
sys_write:
        mov     eax, [ebx + FRAME_EBX]
        dec     eax
        cmp     eax, 1
        ja      bad_descriptor
        mov     eax, [ebx + FRAME_ECX]
        mov     ecx, [ebx + FRAME_EDX]
        call    user_range
        jc      bad_address
        mov     esi, [ebx + FRAME_ECX]
        mov     ecx, [ebx + FRAME_EDX]
        call    console_write
        mov     eax, [ebx + FRAME_EDX]
        ret

; read(fd, buffer, count): what has arrived at the console; waits while nothing has.
sys_read:
        cmp     dword [ebx + FRAME_EBX], 0
        jne     bad_descriptor
        mov     eax, [ebx + FRAME_ECX]
        mov     ecx, [ebx + FRAME_EDX]
        call    user_range
        jc      bad_address
%ifdef VERSION_2
        mov     eax, [ebx + FRAME_ECX]
        mov     ecx, [ebx + FRAME_EDX]
        call    user_writable
        jc      bad_address
%endif
        mov     edi, [ebx + FRAME_ECX]
        mov     ecx, [ebx + FRAME_EDX]
        xor     edx, edx                ; bytes so far
        jecxz   .end
.next:
        call    input_take
        jc      .empty
        stosb
        inc     edx
        dec     ecx
        jnz     .next
.end:
        mov     eax, edx
        ret
.empty:
        test    edx, edx
        jnz     .end
        ; Come back to the int 0x80 (two bytes) when there is input, with the call's number still in EAX.
        sub     dword [ebx + FRAME_EIP], 2
        mov     dword [ebp + PROC_STATE], STATE_READING
        mov     byte [reschedule], 1
        mov     eax, SYS_READ
        ret

; getpid()
sys_getpid:
        mov     eax, [ebp + PROC_PID]
        ret

; sched_yield()
sys_sched_yield:
        mov     byte [reschedule], 1
        xor     eax, eax
        ret

; brk(end): move the end of the heap. Pages come when they are touched and go when the heap shrinks below them.
; Returns the end, unchanged if it cannot be moved there.
sys_brk:
        mov     eax, [ebx + FRAME_EBX]
        cmp     eax, [ebp + PROC_BRK_START]
        jb      .end
        cmp     eax, HEAP_LIMIT
        ja      .end
        mov     esi, [ebp + PROC_BRK]
        mov     [ebp + PROC_BRK], eax
        add     eax, PAGE - 1
        and     eax, FRAME_MASK
.next:
        cmp     eax, esi
        jae     .end
        call    unmap_page
        flush_page
        add     eax, PAGE
        jmp     .next
.end:
%ifdef PARAVIRT
        call    flush_updates           ; all of them at once
%endif
        mov     eax, [ebp + PROC_BRK]
        ret

; uname(buffer)
sys_uname:
        mov     eax, [ebx + FRAME_EBX]
        mov     ecx, UNAME_FIELD * UNAME_FIELDS
        call    user_range
        jc      bad_address
%ifdef VERSION_2
        mov     eax, [ebx + FRAME_EBX]
        mov     ecx, UNAME_FIELD * UNAME_FIELDS
        call    user_writable
        jc      bad_address
%endif
        mov     edi, [ebx + FRAME_EBX]
        mov     esi, uname_fields
        mov     edx, UNAME_FIELDS
.field:
        mov     ecx, UNAME_FIELD
.copy:
        lodsb
        stosb
        dec     ecx
        test    al, al
        jnz     .copy
        rep stosb                       ; AL is zero: the rest of the field
        dec     edx
        jnz     .field
        xor     eax, eax
        ret

bad_descriptor:
        mov     eax, -EBADF
        ret
bad_address:
        mov     eax, -EFAULT
        ret
