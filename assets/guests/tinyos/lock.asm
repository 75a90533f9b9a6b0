; The scheduler's lock, and what the system does when all programs have ended.

; How long count_ticks looks: two instructions a round, three and a half ticks of 2 003 instructions in all, of which
; the tick handler itself takes some.
COUNT_ROUNDS        equ 3440

; sched_lock: enter a stretch of code that neither another CPU nor an interrupt handler may disturb.
; Returns EBX the flags to give back to sched_unlock. Changes EAX.
sched_lock:
%ifdef PARAVIRT
        movzx   ebx, byte [shared_info + SHARED_MASK]
        interrupts_off
%else
        pushfd                          ; remember whether interrupts were on
        pop     ebx
        cli
%endif
.try:
        mov     eax, 1
        xchg    [scheduler_lock], eax
        test    eax, eax
        jne     .try
        ret

; sched_unlock: leave it; interrupts are on again if, and only if, they were on before.
;   EBX  the flags sched_lock returned
sched_unlock:
        mov     dword [scheduler_lock], 0
%ifdef PARAVIRT
        test    ebx, ebx
        jnz     .end
        interrupts_on
.end:
%else
        push    ebx
        popfd
%endif
        ret

; all_ended: the last program is gone. Take stock under the lock, see that the clock still ticks, and stop.
all_ended:
        interrupts_on
        mov     eax, [ticks]
.boundary:
%ifdef PARAVIRT
        push    eax
        hypercall BLOCK
        pop     eax
%else
        hlt                             ; begin right after a tick, whatever happened before
%endif
        cmp     eax, [ticks]
        je      .boundary

        call    sched_lock
        mov     edx, [ticks]            ; the critical section: nothing may tick while it is read
        call    sched_unlock

        call    count_ticks
        push    eax
        mov     esi, .ticks
        call    print
        pop     eax
        call    print_decimal
        mov     al, 10
        call    print_char
        jmp     halt
.ticks: db "ticks: ", 0

; halt: interrupts off and stop: nothing can wake this machine again.
halt:
%ifdef PARAVIRT
        hypercall SHUTDOWN
%else
        cli
        hlt
%endif
        jmp     halt

; count_ticks: how many times the timer interrupts while the CPU goes round a loop.
;   EDX  ticks at its start
; Returns EAX. Changes ECX.
count_ticks:
        mov     ecx, COUNT_ROUNDS
.round:
        dec     ecx
        jnz     .round
        mov     eax, [ticks]
        sub     eax, edx
        ret
