; Physical frames, page tables, and pages that come when they are touched.

; memory_init: find out which frames are free and build the tables that map physical memory for ring 0.
memory_init:
        mov     eax, [boot_info + BOOT_MEMORY]
        cmp     eax, KERNEL_SPACE
        jbe     .limit
        mov     eax, KERNEL_SPACE
.limit:
        and     eax, FRAME_MASK
        mov     [memory_end], eax
        ; The first free frame follows the last program.
        mov     eax, kernel_end + PAGE - 1
        mov     esi, boot_info + BOOT_PROGRAMS
        mov     ecx, [boot_info + BOOT_COUNT]
        jecxz   .first
.program:
        mov     eax, [esi + BOOT_PHYS]
        add     eax, [esi + BOOT_SIZE]
        add     eax, PAGE - 1
        add     esi, BOOT_PROGRAM_SIZE
        dec     ecx
        jnz     .program
.first:
        and     eax, FRAME_MASK
        mov     [next_frame], eax
        mov     [first_frame], eax

        call    frame_allocate
        jc      no_memory
        mov     [kernel_directory], eax
        mov     ebx, eax                ; entry of the directory to fill next
        mov     eax, KERNEL_PAGE        ; what to put into the next entry of a table: the frame at 0, and on
        mov     edx, [memory_end]
        or      edx, KERNEL_PAGE
.table:
        push    eax
        call    frame_allocate
        jc      no_memory
        mov     edi, eax
        or      eax, KERNEL_PAGE
        mov     [ebx], eax
        add     ebx, 4
        pop     eax
        mov     ecx, 1024
.entry:
        stosd
        add     eax, PAGE
        cmp     eax, edx
        je      .mapped
        dec     ecx
        jnz     .entry
        jmp     .table
.mapped:
        ; A null pointer shall fault, and nobody shall write the kernel's code.
        mov     eax, [kernel_directory]
        mov     eax, [eax]
        and     eax, FRAME_MASK
        mov     dword [eax], 0
        lea     edi, [eax + KERNEL_BASE / PAGE * 4]
        mov     ecx, (kernel_text_end - kernel_text) / PAGE
.text:
        and     dword [edi], ~(WRITABLE | DIRTY)
        add     edi, 4
        dec     ecx
        jnz     .text
        ret

no_memory:
        mov     esi, .text
        call    print
        jmp     halt
.text:  db "panic: no memory left", 10, 0

; ---- frames ----------------------------------------------------------------------------------------------------------

; frame_allocate: a free frame, filled with zeroes. Fresh frames go first, then those that were given back.
; Returns EAX its physical address; CF set if there is none. Changes ECX, EDI.
frame_allocate:
        mov     eax, [next_frame]
        cmp     eax, IO_HOLE
        jne     .fresh
        mov     eax, IO_HOLE_END
.fresh:
        cmp     eax, [memory_end]
        jae     .returned
        lea     ecx, [eax + PAGE]
        mov     [next_frame], ecx
        jmp     .clear
.returned:
        mov     eax, [free_frames]
        test    eax, eax
        stc
        jz      .end
        mov     ecx, [eax]              ; a free frame begins with the address of the next one
        mov     [free_frames], ecx
.clear:
        push    eax
        mov     edi, eax
        xor     eax, eax
        mov     ecx, PAGE / 4
        rep stosd
        pop     eax
%ifdef VERSION_2
        mov     ecx, eax
        shr     ecx, 12
        mov     byte [frame_users + ecx], 1
%endif
        clc
.end:
        ret

; frame_free: give a frame back; the images the loader placed are nobody's to give.
;   EAX  frame, flag bits ignored. Changes EAX, ECX.
frame_free:
        and     eax, FRAME_MASK
        cmp     eax, [first_frame]
        jb      .end
%ifdef VERSION_2
        mov     ecx, eax
        shr     ecx, 12
        dec     byte [frame_users + ecx]
        jnz     .end                    ; somebody else still has it
%endif
        mov     ecx, [free_frames]
        mov     [eax], ecx
        mov     [free_frames], eax
.end:
        ret

; ---- page tables of a process ----------------------------------------------------------------------------------------

; directory_create: a page directory in which only the kernel is mapped.
;   EBP  process. Changes EAX, ECX, ESI, EDI.
%ifdef VERSION_2
; CF set if there is no memory.
%endif
directory_create:
        call    frame_allocate
%ifdef VERSION_2
        jc      .end
%else
        jc      no_memory
%endif
        mov     [ebp + PROC_DIRECTORY], eax
        mov     edi, eax
        mov     esi, [kernel_directory]
        mov     ecx, KERNEL_TABLES
        rep movsd
%ifdef VERSION_2
        clc
.end:
%endif
        ret

; directory_free: give back all memory of a process.
;   EBP  process; its directory must not be in use
directory_free:
%ifdef PARAVIRT
        call    release_tables          ; from here on they are ordinary memory
%endif
        mov     eax, PROGRAM_BASE
.image:
        call    unmap_page
        add     eax, PAGE
        cmp     eax, [ebp + PROC_BRK]
        jb      .image
        mov     eax, STACK_BOTTOM
.stack:
        call    unmap_page
        add     eax, PAGE
        cmp     eax, STACK_TOP
        jb      .stack
        mov     esi, [ebp + PROC_DIRECTORY]
        mov     eax, [esi + (PROGRAM_BASE >> 22) * 4]
        call    .table
        mov     eax, [esi + (STACK_BOTTOM >> 22) * 4]
        call    .table
        mov     eax, esi
        jmp     frame_free
.table:
        test    eax, PRESENT
        jnz     frame_free
        ret

; entry_of: find the page table entry of a linear address.
;   EAX  linear   EBP  process
; Returns EDI the entry's address; CF set if there is no page table for it.
entry_of:
        push    eax
        shr     eax, 22
        mov     edi, [ebp + PROC_DIRECTORY]
        mov     edi, [edi + eax * 4]
        pop     eax
        test    edi, PRESENT
        stc
        jz      .end
        push    eax
        and     edi, FRAME_MASK
        shr     eax, 12
        and     eax, 1023
        lea     edi, [edi + eax * 4]
        pop     eax
        clc
.end:
        ret

; map_page: let a process use a frame, from ring 3, for reading and writing.
;   EAX  linear   EDX  frame   EBP  process
; CF set if there is no memory for a page table. Changes ECX, EDI.
map_page:
        call    entry_of
        jnc     .entry
        push    eax
        call    frame_allocate
        jc      .none
        mov     edi, [esp]
        shr     edi, 22
        shl     edi, 2
        add     edi, [ebp + PROC_DIRECTORY]
        or      eax, USER_PAGE
%ifdef PARAVIRT
        mov     ecx, eax
        set_entry
        call    flush_own               ; the table is looked up through it
%else
        mov     [edi], eax
%endif
        pop     eax
        call    entry_of
.entry:
        lea     ecx, [edx + USER_PAGE]
        set_entry
%ifdef PARAVIRT
        call    flush_own
%endif
        clc
        ret
.none:
        pop     eax
        ret

; unmap_page: take a page from a process and give its frame back; the caller sees to the TLB.
;   EAX  linear   EBP  process. Changes ECX, EDX, EDI.
unmap_page:
        call    entry_of
        jc      .end
        mov     edx, [edi]
        test    edx, PRESENT
        jz      .end
%ifdef PARAVIRT
        xor     ecx, ecx
        set_entry
%else
        mov     dword [edi], 0
%endif
        push    eax
        mov     eax, edx
        call    frame_free
        pop     eax
.end:
        ret

; ---- demand paging ---------------------------------------------------------------------------------------------------

; demand_page: a page of heap or stack is touched for the first time; map a frame of zeroes.
;   EAX  linear
; CF set if the running process has nothing there, or memory is out. Keeps EBX.
demand_page:
        mov     ebp, [current]
        cmp     eax, [ebp + PROC_BRK_START]
        jb      .refuse
        cmp     eax, [ebp + PROC_BRK]
        jb      .give
        cmp     eax, STACK_BOTTOM
        jb      .refuse
        cmp     eax, STACK_TOP
        jae     .refuse
.give:
        mov     esi, eax
        call    frame_allocate
        jc      .end
        mov     edx, eax
        mov     eax, esi
        call    map_page
        jnc     .end
        mov     eax, edx
        call    frame_free
.refuse:
        stc
.end:
        ret

; user_range: make sure that a stretch of a program's memory is there, before the kernel touches it on its behalf.
;   EAX  address   ECX  bytes
; CF set if any of it is not the program's. Keeps EBX.
user_range:
        mov     ebp, [current]
        add     ecx, eax
        jc      .end
        cmp     eax, PROGRAM_BASE
        jb      .end
        cmp     ecx, STACK_TOP
        ja      .refuse
.next:
        cmp     eax, ecx
        jae     .good
        call    entry_of
        jc      .demand
        test    dword [edi], PRESENT
        jnz     .page
.demand:
        push    eax
        push    ecx
        call    demand_page
        pop     ecx
        pop     eax
        jc      .end
.page:
        and     eax, FRAME_MASK
        add     eax, PAGE
        jmp     .next
.refuse:
        stc
        ret
.good:
        clc
.end:
        ret
