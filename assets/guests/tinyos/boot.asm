; From the loader to the first program.

; start: the loader's only entry. Protected mode, paging off, interrupts off, flat segments of the loader's.
;   EBX  boot information block
start:
        cld
        mov     esp, kernel_stack_top
        mov     esi, ebx
        mov     edi, boot_info
        mov     ecx, BOOT_INFO_SIZE / 4
        rep movsd                       ; page 0 will not be mapped, so keep a copy

%ifdef PARAVIRT
        hypercall SET_GDT, gdt, gdt_end - gdt - 1
%else
        lgdt    [gdt_register]
%endif
        jmp     KERNEL_CODE:.segments
.segments:
        mov     eax, KERNEL_DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax                 ; nobody here uses FS and GS
        mov     gs, eax
%ifdef PARAVIRT
        hypercall SET_TRAP_TABLE, trap_table
        hypercall SET_SHARED_INFO, shared_info
%else
        lidt    [idt_register]
        mov     eax, TASK_STATE
        ltr     ax
%endif

        call    memory_init
        call    paging_on
%ifndef PARAVIRT
        call    interrupts_init
        call    console_init
%endif
        call    banner
        call    processes_create
        call    timer_init
        jmp     schedule

; paging_on: from here on every address goes through the page tables.
paging_on:
        mov     eax, [kernel_directory]
        load_directory
%ifndef PARAVIRT
        mov     eax, cr0
        or      eax, CR0_PG | CR0_WP
        mov     cr0, eax
%endif
        ret

; banner: say who is there.
banner:
        mov     esi, .tinyos
        call    print
        mov     eax, [boot_info + BOOT_MEMORY]
        shr     eax, 10
        call    print_decimal
        mov     esi, .memory
        call    print
        mov     eax, [boot_info + BOOT_COUNT]
        call    print_decimal
        mov     esi, .programs
        jmp     print
%ifdef VERSION_2
.tinyos:        db "tinyos 2: ", 0
%else
.tinyos:        db "tinyos 1: ", 0
%endif
.memory:        db " KiB, programs: ", 0
.programs:      db 10, 0
