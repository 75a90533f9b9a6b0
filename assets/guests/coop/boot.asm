; From the loader to the first task.

; start: the loader's only entry. Protected mode, paging off, interrupts off.
;   EBX  boot information block
start:
        cld
        mov     [boot_info], ebx
        lgdt    [gdt_register]
        jmp     KERNEL_CODE:.segments
.segments:
        mov     eax, KERNEL_DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     esp, stacks + STACK_SIZE
        lidt    [idt_register]
        call    interrupts_init
        mov     esi, greeting
        call    print
        cmp     dword [ebx + BOOT_COUNT], 0
        je      .tasks
        mov     eax, [ebx + BOOT_SCRIPT]
        mov     [script], eax
        add     eax, [ebx + BOOT_SCRIPT_SIZE]
        mov     [script_end], eax
.tasks:
        ; What runs here is the first task, the prompt; the second one only counts its turns.
        mov     dword [tasks + TASK_STATE], STATE_READY
        mov     dword [tasks + TASK_NAME], prompt_name
        mov     esi, idler
        mov     edx, idler_name
        call    task_create
        sti
        jmp     prompt
