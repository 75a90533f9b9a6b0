; What the CPU reads, what is said, and what changes.

%macro segment_descriptor 1             ; access byte; base 0, limit 4 GiB
        dw      0xFFFF, 0
        db      0, %1, 0xCF, 0
%endmacro

gdt:
        dd      0, 0
        segment_descriptor 0x9B         ; KERNEL_CODE
        segment_descriptor 0x93         ; KERNEL_DATA
gdt_end:
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt

%macro interrupt_gate 1                 ; handler
        dw      (%1 - $$ + KERNEL_BASE) & 0xFFFF
        dw      KERNEL_CODE
        db      0, 0x8E
        dw      (%1 - $$ + KERNEL_BASE) >> 16
%endmacro

        align   8, db 0
idt:
%rep 32
        interrupt_gate mistake
%endrep
        interrupt_gate timer_interrupt          ; 0x20
        times 2 * 3 dd 0
        interrupt_gate serial_interrupt         ; 0x24
idt_end:
idt_register:
        dw      idt_end - idt - 1
        dd      idt

greeting:           db "coop: one address space, and everybody waits for everybody", 10, 0
prompt_text:        db "coop> ", 0
unknown_command:    db ": no such command; help lists them", 10, 0
dash:               db " - ", 0
turns_text:         db ": turns ", 0
memory_text:        db " KiB of memory, ", 0
used_text:          db " KiB taken", 10, 0
full_text:          db "as many tasks as there can be", 10, 0
worker_done:        db "worker done: ", 0
halt_text:          db "halted", 10, 0
mistake_text:       db "exception", 10, 0
prompt_name:        db "prompt", 0
idler_name:         db "idler", 0
worker_name:        db "worker", 0

help_name:          db "help", 0
tasks_name:         db "tasks", 0
mem_name:           db "mem", 0
start_name:         db "start", 0
wait_name:          db "wait", 0
ticks_name:         db "ticks", 0
halt_name:          db "halt", 0
help_does:          db "this list", 0
tasks_does:         db "who there is, and how often each has run", 0
mem_does:           db "how much memory there is", 0
start_does:         db "one more worker", 0
wait_does:          db "until all workers are done", 0
ticks_does:         db "how often the timer has interrupted", 0
halt_does:          db "stop the machine", 0

        align   4, db 0
commands:                               ; name, what it does, function
        dd      help_name, help_does, command_help
        dd      tasks_name, tasks_does, command_tasks
        dd      mem_name, mem_does, command_mem
        dd      start_name, start_does, command_start
        dd      wait_name, wait_does, command_wait
        dd      ticks_name, ticks_does, command_ticks
        dd      halt_name, halt_does, command_halt
        dd      0

        align   PAGE, db 0
boot_info:          dd 0                ; address of what the loader left
script:             dd 0                ; the next character of the script
script_end:         dd 0
ticks:              dd 0
workers:            dd 0                ; workers that are not done
current:            dd tasks            ; the task that runs
input_start:        dd 0                ; bytes of console input taken so far
input_end:          dd 0                ; bytes of console input arrived so far
input:              times INPUT_SIZE db 0
line:               times LINE_SIZE db 0
tasks:              times MOST_TASKS * TASK_SIZE db 0
        align   16, db 0
stacks:             times MOST_TASKS * STACK_SIZE db 0
