; Tasks: each has a stack of its own and keeps the CPU until it calls yield. No timer takes it away.

; task_create: start another task.
;   ESI  its first instruction   EDX  its name
; Returns EDI the task; CF set if there are as many as there can be. Changes EAX, ECX.
task_create:
        xor     ecx, ecx
.next:
        imul    edi, ecx, TASK_SIZE
        add     edi, tasks
        cmp     dword [edi + TASK_STATE], STATE_FREE
        je      .found
        inc     ecx
        cmp     ecx, MOST_TASKS
        jb      .next
        stc
        ret
.found:
        inc     ecx
        imul    eax, ecx, STACK_SIZE
        add     eax, stacks             ; the top of its stack
        mov     [eax - 4], esi          ; where yield will return to
        sub     eax, 4 + 32             ; and the registers it will restore
        mov     [edi + TASK_STACK], eax
        mov     [edi + TASK_NAME], edx
        mov     dword [edi + TASK_TURNS], 0
        mov     dword [edi + TASK_ROUNDS], WORK_ROUNDS
        mov     dword [edi + TASK_SUM], 0
        mov     dword [edi + TASK_STATE], STATE_READY
        clc
        ret

; yield: let the others run. Comes back when it is this task's turn again.
; Keeps every register, but not the flags.
yield:
        pushad
        mov     ebx, [current]
        mov     [ebx + TASK_STACK], esp
.next:
        add     ebx, TASK_SIZE
        cmp     ebx, tasks + MOST_TASKS * TASK_SIZE
        jb      .look
        mov     ebx, tasks
.look:
        cmp     dword [ebx + TASK_STATE], STATE_READY
        je      .found
        cmp     ebx, [current]
        jne     .next
        ; Nobody can run: wait for an interrupt. STI lets none in before HLT waits, so none is missed.
        cli
        cmp     dword [ebx + TASK_STATE], STATE_READY
        je      .woken
        sti
        hlt
        jmp     .next
.woken:
        sti
.found:
        mov     [current], ebx
        inc     dword [ebx + TASK_TURNS]
        mov     esp, [ebx + TASK_STACK]
        popad
        ret

; task_end: the running task is over.
task_end:
        mov     ebx, [current]
        mov     dword [ebx + TASK_STATE], STATE_FREE
        call    yield                   ; and never back

; idler: a task that does nothing but give the CPU away; while somebody waits for input, it waits with them.
idler:
        cmp     dword [tasks + TASK_STATE], STATE_WAITING
        jne     .turn
        cmp     dword [workers], 0
        jne     .turn
        mov     ebx, [current]
        mov     dword [ebx + TASK_STATE], STATE_WAITING
.turn:
        call    yield
        jmp     idler

; worker: add numbers, one a turn, and say what came out.
worker:
        mov     ebx, [current]
        mov     eax, [ebx + TASK_ROUNDS]
        add     [ebx + TASK_SUM], eax
        call    yield
        dec     dword [ebx + TASK_ROUNDS]
        jnz     worker
        mov     esi, worker_done
        call    print
        mov     eax, [ebx + TASK_SUM]
        call    print_decimal
        call    print_line_end
        dec     dword [workers]
        jmp     task_end
