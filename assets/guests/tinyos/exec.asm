; Version 2: programs are static ELF files in the initial image; their pages are mapped where they lie in it, writable
; ones to be copied at the first write, so that a program can be started any number of times.

; process_create: start a program of the boot information.
;   EBP  free entry of the process table   ESI  its entry in the boot information
process_create:
        inc     dword [processes_alive]
        inc     dword [last_pid]
        mov     eax, [last_pid]
        mov     [ebp + PROC_PID], eax
        mov     dword [ebp + PROC_PARENT], 0
        mov     dword [ebp + PROC_STATE], STATE_RUNNABLE
        call    image_load
        jc      no_memory               ; the loader leaves nothing but programs
        mov     eax, [esi + BOOT_ARG]
        mov     [ebp + PROC_FRAME + FRAME_EAX], eax
        ret

; execve(path, arguments, environment): become another program. What follows the last / of the path is its name; a
; program is given its name as its only argument, and 0 in EAX.
sys_execve:
        call    exec_find
        jc      .end
        push    dword [ebp + PROC_DIRECTORY]
        push    dword [ebp + PROC_BRK]
        call    image_load
        jc      .failed
        ; Stand on the kernel's own tables while those of the old program go.
        mov     eax, [kernel_directory]
        load_directory
        mov     [active_directory], eax
        pop     ecx
        pop     edx
        push    dword [ebp + PROC_DIRECTORY]
        push    dword [ebp + PROC_BRK]
        mov     [ebp + PROC_DIRECTORY], edx
        mov     [ebp + PROC_BRK], ecx
        call    directory_free
        pop     dword [ebp + PROC_BRK]
        pop     dword [ebp + PROC_DIRECTORY]
        xor     eax, eax
.end:
        ret
.failed:
        pop     dword [ebp + PROC_BRK]
        pop     dword [ebp + PROC_DIRECTORY]
        mov     eax, -ENOEXEC
        ret

; exec_find: look up what execve was asked for.
;   EBX  frame   EBP  process
; Returns ESI the entry in the boot information; or CF set and EAX the error.
exec_find:
        mov     edi, exec_name
        xor     eax, eax
        mov     ecx, 4
        rep stosd
        mov     edi, exec_name
        mov     esi, [ebx + FRAME_EBX]
.next:
        push    esi
        push    edi
        mov     eax, esi
        mov     ecx, 1
        call    user_range
        pop     edi
        pop     esi
        mov     eax, -EFAULT
        jc      .end
        lodsb
        test    al, al
        jz      .named
        cmp     al, '/'
        je      .folder
        cmp     edi, exec_name + 16
        jae     .unknown
        stosb
        jmp     .next
.folder:
        mov     edi, exec_name
        xor     eax, eax
        mov     ecx, 4
        rep stosd
        mov     edi, exec_name
        jmp     .next
.named:
        mov     esi, boot_info + BOOT_PROGRAMS
        mov     edx, [boot_info + BOOT_COUNT]
.compare:
        test    edx, edx
        jz      .unknown
        push    esi
        mov     edi, exec_name
        mov     ecx, 4
        repe cmpsd
        pop     esi
        je      .found
        add     esi, BOOT_PROGRAM_SIZE
        dec     edx
        jmp     .compare
.found:
        clc
        ret
.unknown:
        mov     eax, -ENOENT
        stc
.end:
        ret

; image_load: give a process a new address space with a program in it, and the registers the program starts with.
;   EBP  process   ESI  the program's entry in the boot information. Keeps EBX, EBP, ESI.
; CF set if the file is no program for this system or memory is out; the process then has the address space it had, and
; all else as if nothing had been loaded, but for PROC_DIRECTORY and PROC_BRK, which the caller keeps.
image_load:
        push    ebx
        push    esi
        call    directory_create
        pop     esi
        jc      .end
        mov     dword [ebp + PROC_BRK], PROGRAM_BASE
        mov     ebx, [esi + BOOT_PHYS]
        cmp     dword [esi + BOOT_SIZE], ELF_HEADER_SIZE
        jb      .refuse
        cmp     dword [ebx], ELF_MAGIC
        jne     .refuse
        cmp     word [ebx + ELF_CLASS], ELF_32_LITTLE
        jne     .refuse
        cmp     dword [ebx + ELF_TYPE], ELF_I386_EXECUTABLE
        jne     .refuse
        movzx   ecx, word [ebx + ELF_COUNT]
        cmp     ecx, ELF_MOST_SEGMENTS
        ja      .refuse
        mov     edx, [ebx + ELF_HEADERS]
        mov     eax, ecx
        shl     eax, 5                  ; SEGMENT_SIZE
        add     eax, edx
        jc      .refuse
        cmp     eax, [esi + BOOT_SIZE]
        ja      .refuse
        add     edx, ebx
.segment:
        jecxz   .loaded
        cmp     dword [edx + SEGMENT_TYPE], SEGMENT_LOAD
        jne     .skip
        push    ecx
        push    edx
        call    segment_load
        pop     edx
        pop     ecx
        jc      .refuse
.skip:
        add     edx, SEGMENT_SIZE
        dec     ecx
        jmp     .segment
.loaded:
        mov     eax, [ebp + PROC_BRK]
        mov     [ebp + PROC_BRK_START], eax
        call    stack_create
        jc      .refuse
        mov     eax, [ebx + ELF_ENTRY]
        push    esi
        lea     edi, [ebp + PROC_NAME]
        mov     ecx, 4
        rep movsd
        pop     esi
        lea     edi, [ebp + PROC_FRAME]
        push    eax
        xor     eax, eax
        mov     ecx, FRAME_VECTOR / 4
        rep stosd
        pop     eax
        lea     edi, [ebp + PROC_FRAME]
        mov     [edi + FRAME_EIP], eax
        mov     dword [edi + FRAME_CS], USER_CODE
        mov     dword [edi + FRAME_EFLAGS], EFLAGS_IF | EFLAGS_ALWAYS
        mov     dword [edi + FRAME_ESP], STACK_TOP - START_FRAME
        mov     dword [edi + FRAME_SS], USER_DATA
        clc
.end:
        pop     ebx
        ret
.refuse:
        push    esi
        call    directory_free
        pop     esi
        pop     ebx
        stc
        ret

; segment_load: map one segment of a program file, page by page.
;   EBP  process   EBX  the file in memory   EDX  the segment's header   ESI  the program's entry in the boot information
; CF set if it does not fit or memory is out. Keeps EBX, EBP, ESI.
segment_load:
        mov     eax, [edx + SEGMENT_OFFSET]
        add     eax, [edx + SEGMENT_IN_FILE]
        jc      .end
        cmp     [esi + BOOT_SIZE], eax
        jb      .end
        mov     eax, [edx + SEGMENT_IN_MEMORY]
        cmp     eax, [edx + SEGMENT_IN_FILE]
        jb      .end
        add     eax, [edx + SEGMENT_LINEAR]
        jc      .end
        mov     ecx, HEAP_LIMIT
        cmp     ecx, eax
        jb      .end
        cmp     dword [edx + SEGMENT_LINEAR], PROGRAM_BASE
        jb      .end
        add     eax, PAGE - 1
        and     eax, FRAME_MASK
        cmp     eax, [ebp + PROC_BRK]
        jbe     .inside
        mov     [ebp + PROC_BRK], eax   ; the heap begins behind the last segment
.inside:
        mov     ecx, eax
        mov     eax, [edx + SEGMENT_LINEAR]
        and     eax, FRAME_MASK
.page:
        cmp     eax, ecx
        jae     .good
        push    ecx
        push    edx
        call    segment_page
        pop     edx
        pop     ecx
        jc      .end
        add     eax, PAGE
        jmp     .page
.good:
        clc
.end:
        ret

; segment_page: map one page of a segment: the page of the file itself where all of it counts and it lies on a page
; boundary, else a frame of its own with what the file has for it.
;   EAX  linear   EBP  process   EBX  file   EDX  segment header. Keeps EAX, EBX, EBP, ESI.
; CF set if memory is out, or something is mapped there already.
segment_page:
        call    entry_of
        jc      .free
        test    dword [edi], PRESENT
        jz      .free
        stc
        ret
.free:
        push    esi
        mov     esi, eax                ; where the file has this page
        sub     esi, [edx + SEGMENT_LINEAR]
        mov     ecx, esi                ; its distance from the segment's first byte, negative in the first page
        add     esi, [edx + SEGMENT_OFFSET]
        add     esi, ebx
        test    esi, PAGE - 1
        jnz     .copy
        mov     edi, [edx + SEGMENT_IN_FILE]
        cmp     edi, [edx + SEGMENT_IN_MEMORY]
        jne     .copy
        test    byte [edx + SEGMENT_FLAGS], SEGMENT_WRITABLE
        lea     edx, [esi + PRESENT + USER]
        jz      .map
        or      edx, COPY_ON_WRITE
.map:
        call    map_entry
        pop     esi
        ret
.copy:
        push    eax
        push    ecx
        call    frame_allocate
        pop     ecx
        jc      .none
        push    eax                     ; the frame
        mov     edi, eax
        test    ecx, ecx
        jns     .whole
        sub     edi, ecx                ; the segment begins inside this page
        sub     esi, ecx
        xor     eax, eax
        xchg    eax, ecx                ; distance 0
        add     eax, PAGE               ; room left
        jmp     .count
.whole:
        mov     eax, PAGE
.count:
        sub     ecx, [edx + SEGMENT_IN_FILE]
        neg     ecx                     ; bytes the file has from here on
        jle     .filled
        cmp     ecx, eax
        jbe     .bytes
        mov     ecx, eax
.bytes:
        rep movsb
.filled:
        test    byte [edx + SEGMENT_FLAGS], SEGMENT_WRITABLE
        pop     edx
        pop     eax
        push    edx
        lea     edx, [edx + PRESENT + USER]
        jz      .read_only
        or      edx, WRITABLE
.read_only:
        call    map_entry
        pop     edx
        pop     esi
        jnc     .end
        push    eax
        mov     eax, edx
        call    frame_free
        pop     eax
        stc
.end:
        ret
.none:
        pop     eax
        pop     esi
        ret

; stack_create: the first page of the stack, with what every Linux program finds there: one argument, its name, and no
; environment.
;   EBP  process   ESI  the program's entry in the boot information. Keeps EBX, EBP, ESI.
; CF set if memory is out.
START_FRAME         equ 32              ; count, the argument, zero, zero, and the 16 characters of the name
stack_create:
        call    frame_allocate
        jc      .end
        mov     edx, eax
        lea     edi, [eax + PAGE - START_FRAME]
        mov     dword [edi], 1
        mov     dword [edi + 4], STACK_TOP - 16
        push    esi
        add     edi, 16
        mov     ecx, 4
        rep movsd
        pop     esi
        mov     eax, STACK_TOP - PAGE
        call    map_page
        jnc     .end
        mov     eax, edx
        call    frame_free
        stc
.end:
        ret
