; The build for a VMM: events instead of interrupts, and page table updates that wait until there are several.

; events_on: let events come, and take those that have come while they could not.
; Keeps every register.
events_on:
        mov     byte [shared_info + SHARED_MASK], 0
        cmp     dword [shared_info + SHARED_PENDING], 0
        je      .end
        push    eax
        hypercall DELIVER_EVENTS
        pop     eax
.end:
        ret

; handle_events: do for each event what the interrupt it stands for would do.
;   EBX  frame
handle_events:
        xor     eax, eax
        xchg    eax, [shared_info + SHARED_PENDING]
        push    eax
        test    eax, EVENT_TIMER
        jz      .console
        call    handle_tick
.console:
        pop     eax
        test    eax, EVENT_CONSOLE
        jnz     handle_serial
        ret

; entry_change: change a page table entry. What the CPU uses belongs to the VMM, which has to be asked; tables that are
; not in use are ordinary memory.
;   EDI  the entry   ECX  what it shall be   EBP  the process. Keeps every register.
entry_change:
        push    eax
        mov     eax, [ebp + PROC_DIRECTORY]
        cmp     eax, [active_directory]
        je      .ask
        mov     [edi], ecx
        pop     eax
        ret
.ask:
        cmp     dword [updates_waiting], MOST_UPDATES
        jne     .room
        call    flush_updates
.room:
        mov     eax, [updates_waiting]
        mov     [updates + eax * 8], edi
        mov     [updates + eax * 8 + 4], ecx
        inc     dword [updates_waiting]
        pop     eax
        ret

; flush_own: have the changes made now, if they are changes of a process's tables in use: the next step relies on them.
;   EBP  process. Keeps every register.
flush_own:
        push    eax
        mov     eax, [ebp + PROC_DIRECTORY]
        cmp     eax, [active_directory]
        pop     eax
        je      flush_updates
        ret

; flush_updates: have the VMM make all the changes that wait, with one call.
; Keeps every register.
flush_updates:
        cmp     dword [updates_waiting], 0
        je      .end
        pushad
        hypercall MMU_UPDATE, updates, [updates_waiting]
        mov     dword [updates_waiting], 0
        popad
.end:
        ret

; release_tables: a process's page tables will not be used again; the VMM need not watch them any more.
;   EBP  process. Keeps EBX, EBP.
release_tables:
        call    flush_updates
        push    ebx
        mov     esi, [ebp + PROC_DIRECTORY]
        mov     ebx, [esi + (PROGRAM_BASE >> 22) * 4]
        call    .table
        mov     ebx, [esi + (STACK_BOTTOM >> 22) * 4]
        call    .table
        mov     ebx, esi
        hypercall RELEASE_TABLE
        pop     ebx
        ret
.table:
        test    ebx, PRESENT
        jz      .end
        and     ebx, FRAME_MASK
        hypercall RELEASE_TABLE
.end:
        ret
