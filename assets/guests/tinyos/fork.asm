; Version 2: processes that make others. fork shares all pages until somebody writes; wait4 collects who has ended.

; process_slot: a free entry of the process table.
; Returns EDI the entry; CF set if all are in use.
process_slot:
        mov     edi, process_table
.next:
        cmp     dword [edi + PROC_STATE], STATE_FREE
        je      .found
        add     edi, PROC_SIZE
        cmp     edi, [process_table_end]
        jb      .next
        stc
        ret
.found:
        clc
        ret

; fork()
; Returns the child's number, and 0 in the child.
sys_fork:
        call    process_slot
        mov     eax, -EAGAIN
        jc      .end
        mov     edx, edi                ; the child
        mov     esi, ebp
        mov     ecx, PROC_SIZE / 4
        rep movsd                       ; name, heap, and its registers, which lie in the entry
        mov     dword [edx + PROC_STATE], STATE_FREE
        mov     ebp, edx
        call    directory_create
        jc      .none
        mov     esi, [current]
        mov     eax, PROGRAM_BASE
        mov     ecx, [esi + PROC_BRK]
        call    share_pages
        jc      .partly
        mov     eax, STACK_BOTTOM
        mov     ecx, STACK_TOP
        call    share_pages
        jc      .partly
        call    flush_tlb               ; the parent's pages have become read-only
        inc     dword [last_pid]
        inc     dword [processes_alive]
        mov     eax, [esi + PROC_PID]
        mov     [ebp + PROC_PARENT], eax
        mov     dword [ebp + PROC_FRAME + FRAME_EAX], 0
        mov     dword [ebp + PROC_STATE], STATE_RUNNABLE
        mov     eax, [last_pid]
        mov     [ebp + PROC_PID], eax
.end:
        ret
.partly:
        call    directory_free
        call    flush_tlb
.none:
        mov     eax, -ENOMEM
        ret

; flush_tlb: forget every translation.
; Changes EAX.
flush_tlb:
%ifdef PARAVIRT
        jmp     flush_updates
%else
        mov     eax, cr3
        mov     cr3, eax
        ret
%endif

; share_pages: let a child have the pages its parent has; both will find them read-only, and get a copy on writing.
;   EAX  first linear address   ECX  behind the last   EBP  child   ESI  parent. Keeps EBX, EBP, ESI.
; CF set if there is no memory for a page table.
share_pages:
        cmp     eax, ecx
        jae     .good
        push    ecx
        push    ebp
        mov     ebp, esi
        call    entry_of
        pop     ebp
        jc      .next
        mov     edx, [edi]
        test    edx, PRESENT
        jz      .next
        test    edx, WRITABLE
        jz      .share                  ; read-only, or copied on writing already
        and     edx, ~WRITABLE
        or      edx, COPY_ON_WRITE
%ifdef PARAVIRT
        push    ecx
        push    ebp
        mov     ebp, esi                ; the entry is the parent's
        mov     ecx, edx
        set_entry
        pop     ebp
        pop     ecx
%else
        mov     [edi], edx
%endif
.share:
        call    map_entry
        jc      .none
        shr     edx, 12
        inc     byte [frame_users + edx]
.next:
        pop     ecx
        add     eax, PAGE
        jmp     share_pages
.none:
        pop     ecx
        ret
.good:
        clc
        ret

; map_entry: as map_page, with rights of the caller's choice.
;   EAX  linear   EDX  what the page table entry shall be   EBP  process
; CF set if there is no memory for a page table. Changes ECX, EDI.
map_entry:
        sub     edx, USER_PAGE
        call    map_page                ; which adds them
        lea     edx, [edx + USER_PAGE]
        ret

; copy_on_write: a process writes to a page it shares; give it one of its own.
;   EAX  linear
; CF set if it may not write there at all, or memory is out. Keeps EBX; EBP is the running process.
copy_on_write:
        mov     ebp, [current]
        call    entry_of
        jc      .end
        mov     edx, [edi]
        test    edx, COPY_ON_WRITE
        stc
        jz      .end
        mov     esi, edx
        and     esi, FRAME_MASK
        cmp     esi, [first_frame]
        jb      .copy                   ; part of the image: the next process wants it unchanged
        mov     ecx, esi
        shr     ecx, 12
        cmp     byte [frame_users + ecx], 1
        je      .own                    ; the others have their copies or have ended
.copy:
        push    eax
        push    edi
        call    frame_allocate
        jc      .none
        push    esi
        mov     edx, eax
        mov     edi, eax
        mov     ecx, PAGE / 4
        rep movsd
        pop     eax
        call    frame_free
        pop     edi
        pop     eax
        or      edx, PRESENT | USER | TOUCHED
.own:
        and     edx, ~COPY_ON_WRITE
        or      edx, WRITABLE
%ifdef PARAVIRT
        mov     ecx, edx
        set_entry
        call    flush_updates
%else
        mov     [edi], edx
        invlpg  [eax]                   ; the TLB knows it as read-only
%endif
        clc
.end:
        ret
.none:
        pop     edi
        pop     eax
        ret

; user_writable: make sure that the kernel itself can write where a program may; user_range has seen that it is there.
;   EAX  address   ECX  bytes
; CF set if any of it is read-only. Keeps EBX.
user_writable:
        mov     ebp, [current]
        add     ecx, eax
.next:
        cmp     eax, ecx
        jae     .good
        call    entry_of
        test    dword [edi], WRITABLE
        jnz     .page
        push    eax
        push    ecx
        call    copy_on_write
        pop     ecx
        pop     eax
        jc      .end
.page:
        and     eax, FRAME_MASK
        add     eax, PAGE
        jmp     .next
.good:
        clc
.end:
        ret

; process_bury: a process has ended and its memory is gone. It stays a zombie while its parent may ask for it; its own
; children have nobody who asks.
;   EBP  process. Keeps EBX, EBP.
process_bury:
        mov     dword [ebp + PROC_STATE], STATE_FREE
        mov     eax, [ebp + PROC_PID]
        mov     edx, [ebp + PROC_PARENT]
        mov     edi, process_table
.next:
        cmp     dword [edi + PROC_STATE], STATE_FREE
        je      .other
        cmp     [edi + PROC_PARENT], eax
        jne     .parent
        mov     dword [edi + PROC_PARENT], 0
        cmp     dword [edi + PROC_STATE], STATE_ZOMBIE
        jne     .other
        mov     dword [edi + PROC_STATE], STATE_FREE
        jmp     .other
.parent:
        cmp     [edi + PROC_PID], edx
        jne     .other
        cmp     dword [edi + PROC_STATE], STATE_ZOMBIE
        je      .other
        mov     dword [ebp + PROC_STATE], STATE_ZOMBIE
        cmp     dword [edi + PROC_STATE], STATE_WAITING
        jne     .other
        mov     dword [edi + PROC_STATE], STATE_RUNNABLE
.other:
        add     edi, PROC_SIZE
        cmp     edi, [process_table_end]
        jb      .next
        ret

; getppid()
sys_getppid:
        mov     eax, [ebp + PROC_PARENT]
        ret

; wait4(pid, status, options, usage), and waitpid: the number of a child that has ended, and what it ended with.
; pid -1 is any child; usage is left alone. Waits while no child has ended, unless WNOHANG says not to.
sys_wait4:
        mov     edx, [ebp + PROC_PID]
        mov     eax, -ECHILD
        mov     edi, process_table
.next:
        cmp     dword [edi + PROC_STATE], STATE_FREE
        je      .other
        cmp     [edi + PROC_PARENT], edx
        jne     .other
        mov     ecx, [ebx + FRAME_EBX]
        cmp     ecx, -1
        je      .child
        cmp     ecx, [edi + PROC_PID]
        jne     .other
.child:
        cmp     dword [edi + PROC_STATE], STATE_ZOMBIE
        je      .ended
        xor     eax, eax                ; there is one to wait for
.other:
        add     edi, PROC_SIZE
        cmp     edi, [process_table_end]
        jb      .next
        test    eax, eax
        jnz     .end
        test    dword [ebx + FRAME_EDX], WNOHANG
        jnz     .end
        ; Come back to the int 0x80 (two bytes) when a child has ended, with the call's number still in EAX.
        sub     dword [ebx + FRAME_EIP], 2
        mov     dword [ebp + PROC_STATE], STATE_WAITING
        mov     byte [reschedule], 1
        mov     eax, [ebx + FRAME_EAX]
.end:
        ret
.ended:
        cmp     dword [ebx + FRAME_ECX], 0
        je      .free
        push    edi
        mov     eax, [ebx + FRAME_ECX]
        mov     ecx, 4
        call    user_range
        jc      .bad
        mov     eax, [ebx + FRAME_ECX]
        mov     ecx, 4
        call    user_writable
        jc      .bad
        pop     edi
        mov     eax, [edi + PROC_STATUS]
        mov     ecx, [ebx + FRAME_ECX]
        mov     [ecx], eax
.free:
        mov     dword [edi + PROC_STATE], STATE_FREE
        mov     eax, [edi + PROC_PID]
        ret
.bad:
        pop     edi
        jmp     bad_address
