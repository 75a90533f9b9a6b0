; Processes: made once from the boot information, run in turn, one tick each.

; processes_create: one process for each program the loader left.
%ifdef VERSION_2
; A program whose entry is 0 is not started: it is there for execve.
%endif
processes_create:
        mov     esi, boot_info + BOOT_PROGRAMS
        mov     ebp, process_table
        mov     ecx, [boot_info + BOOT_COUNT]
        cmp     ecx, MAX_PROCESSES
        jbe     .next
        mov     ecx, MAX_PROCESSES
.next:
        jecxz   .end
        push    ecx
        push    esi
%ifdef VERSION_2
        cmp     dword [esi + BOOT_ENTRY], 0
        je      .carried
%endif
        call    process_create
%ifdef VERSION_2
        add     ebp, PROC_SIZE
.carried:
        pop     esi
        pop     ecx
        add     esi, BOOT_PROGRAM_SIZE
%else
        pop     esi
        pop     ecx
        add     esi, BOOT_PROGRAM_SIZE
        add     ebp, PROC_SIZE
%endif
        dec     ecx
        jmp     .next
.end:
%ifdef VERSION_2
        ; The first one is next: as if the one before it in the circle had run.
        mov     eax, process_table + MAX_PROCESSES * PROC_SIZE
        mov     [process_table_end], eax
        sub     eax, PROC_SIZE
        mov     [current], eax
        ret
%else
        mov     [process_table_end], ebp
        cmp     ebp, process_table
        je      .none
        sub     ebp, PROC_SIZE
        mov     [current], ebp          ; as if the last one had run: the first one is next
.none:
        ret
%endif

%ifndef VERSION_2
; process_create: fill one entry of the process table.
;   EBP  process   ESI  its entry in the boot information
process_create:
        inc     dword [processes_alive]
        mov     eax, [processes_alive]
        mov     [ebp + PROC_PID], eax
        mov     dword [ebp + PROC_STATE], STATE_RUNNABLE
        push    esi
        lea     edi, [ebp + PROC_NAME]
        mov     ecx, 4
        rep movsd
        call    directory_create
        pop     esi
        ; The image stays where the loader put it: its pages are mapped, not copied.
        mov     ecx, [esi + BOOT_SIZE]
        add     ecx, PAGE - 1
        shr     ecx, 12
        mov     eax, PROGRAM_BASE
        mov     edx, [esi + BOOT_PHYS]
.page:
        push    ecx
        call    map_page
        pop     ecx
        add     eax, PAGE
        add     edx, PAGE
        dec     ecx
        jnz     .page
        mov     [ebp + PROC_BRK_START], eax
        mov     [ebp + PROC_BRK], eax
        ; The registers it starts with, as a trap would have left them.
        lea     edi, [ebp + PROC_FRAME]
        mov     eax, [esi + BOOT_ARG]
        mov     [edi + FRAME_EAX], eax
        mov     eax, [esi + BOOT_ENTRY]
        mov     [edi + FRAME_EIP], eax
        mov     dword [edi + FRAME_CS], USER_CODE
        mov     dword [edi + FRAME_EFLAGS], EFLAGS_IF | EFLAGS_ALWAYS
        mov     dword [edi + FRAME_ESP], STACK_TOP
        mov     dword [edi + FRAME_SS], USER_DATA
        ret
%endif

; process_end: the running process is over; give back its memory.
; Returns to the trap that called, which will find somebody else to run.
process_end:
        mov     ebp, [current]
        mov     eax, [kernel_directory]
        load_directory                  ; stand on other tables before taking these away
        mov     [active_directory], eax
        call    directory_free
%ifdef VERSION_2
        call    process_bury
%else
        mov     dword [ebp + PROC_STATE], STATE_FREE
%endif
        dec     dword [processes_alive]
        mov     byte [reschedule], 1
        ret

; print_process: "pid 1 (ticker) ".
print_process:
        mov     esi, .pid
        call    print
        mov     ebp, [current]
        mov     eax, [ebp + PROC_PID]
        call    print_decimal
        mov     esi, .open
        call    print
        lea     esi, [ebp + PROC_NAME]
        call    print
        mov     esi, .close
        jmp     print
.pid:           db "pid ", 0
.open:          db " (", 0
.close:         db ") ", 0

; return_to_user: leave a trap that came from ring 3.
return_to_user:
        cmp     byte [reschedule], 0
        jne     schedule
        mov     ebp, [current]

; resume: run a process from where its register frame says.
;   EBP  process
resume:
        lea     eax, [ebp + PROC_SIZE]
%ifdef PARAVIRT
        hypercall STACK_SWITCH, KERNEL_DATA, eax
%else
        mov     [tss_esp0], eax         ; its next trap is saved behind its own entry
%endif
        mov     eax, [ebp + PROC_DIRECTORY]
        cmp     eax, [active_directory]
        je      .mapped
        mov     [active_directory], eax
        load_directory                  ; this also empties the TLB, so only when it must be
.mapped:
        lea     esp, [ebp + PROC_FRAME]
        mov     eax, USER_DATA
        mov     ds, eax
        mov     es, eax
        popad
        add     esp, 8                  ; vector and error code
        return_from_trap

; schedule: the next runnable process after the one that ran last, in a circle.
schedule:
        mov     byte [reschedule], 0
        mov     esp, kernel_stack_top
        mov     ebp, [current]
        mov     ecx, [process_table_end]
.next:
        add     ebp, PROC_SIZE
        cmp     ebp, ecx
        jb      .look
        mov     ebp, process_table
.look:
        cmp     dword [ebp + PROC_STATE], STATE_RUNNABLE
        je      .found
        cmp     ebp, [current]
        jne     .next
        cmp     dword [processes_alive], 0
        je      all_ended
        jmp     idle
.found:
        mov     [current], ebp
        jmp     resume

; idle: nobody can run; wait for an interrupt.
idle:
        wait_for_interrupt
        jmp     schedule
