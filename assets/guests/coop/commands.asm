; The prompt: a line of input names a command.

; prompt: the first task.
prompt:
        mov     esi, prompt_text
        call    print
        call    read_line
        cmp     byte [line], 0
        je      prompt
        mov     ebx, commands
.next:
        mov     edi, [ebx]
        test    edi, edi
        jz      .unknown
        mov     esi, line
.compare:
        mov     al, [esi]
        cmp     al, [edi]
        jne     .other
        inc     esi
        inc     edi
        test    al, al
        jnz     .compare
        call    [ebx + 8]
        jmp     prompt
.other:
        add     ebx, 12
        jmp     .next
.unknown:
        mov     esi, line
        call    print
        mov     esi, unknown_command
        call    print
        jmp     prompt

; Each command may change every register.

; help: the commands and what they do.
command_help:
        mov     ebx, commands
.next:
        mov     esi, [ebx]
        test    esi, esi
        jz      .end
        call    print
        mov     esi, dash
        call    print
        mov     esi, [ebx + 4]
        call    print
        call    print_line_end
        add     ebx, 12
        jmp     .next
.end:
        ret

; tasks: who there is, and how often each has run.
command_tasks:
        mov     ebx, tasks
.next:
        cmp     dword [ebx + TASK_STATE], STATE_FREE
        je      .other
        mov     esi, [ebx + TASK_NAME]
        call    print
        mov     esi, turns_text
        call    print
        mov     eax, [ebx + TASK_TURNS]
        call    print_decimal
        call    print_line_end
.other:
        add     ebx, TASK_SIZE
        cmp     ebx, tasks + MOST_TASKS * TASK_SIZE
        jb      .next
        ret

; mem: how much memory there is, and how much of it this system takes.
command_mem:
        mov     eax, [boot_info]
        mov     eax, [eax + BOOT_MEMORY]
        shr     eax, 10
        call    print_decimal
        mov     esi, memory_text
        call    print
        mov     eax, kernel_end - kernel_text + 1023
        shr     eax, 10
        call    print_decimal
        mov     esi, used_text
        jmp     print

; start: one more worker.
command_start:
        mov     esi, worker
        mov     edx, worker_name
        call    task_create
        jc      .full
        inc     dword [workers]
        ret
.full:
        mov     esi, full_text
        jmp     print

; wait: give the CPU away until all workers are done.
command_wait:
        cmp     dword [workers], 0
        je      .end
        call    yield
        jmp     command_wait
.end:
        ret

; ticks: how often the timer has interrupted.
command_ticks:
        mov     eax, [ticks]
        call    print_decimal
        jmp     print_line_end

; halt: stop the machine; nothing can wake it again.
command_halt:
        mov     esi, halt_text
        call    print
.halt:
        cli
        hlt
        jmp     .halt
