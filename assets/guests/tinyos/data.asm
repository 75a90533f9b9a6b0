; The kernel's data: constants, then what changes, then its stack.

        align   PAGE, db 0
exception_names:
        dd      name_0, name_1, name_2, name_3, name_4, name_5, name_6, name_7
        dd      name_8, name_9, name_10, name_11, name_12, name_13, name_14, unknown_exception
        dd      name_16, name_17, name_18, name_19, unknown_exception, unknown_exception
        times EXCEPTIONS - 22 dd unknown_exception
name_0:             db "divide error", 0
name_1:             db "debug exception", 0
name_2:             db "non-maskable interrupt", 0
name_3:             db "breakpoint", 0
name_4:             db "overflow", 0
name_5:             db "bound range exceeded", 0
name_6:             db "invalid opcode", 0
name_7:             db "device not available", 0
name_8:             db "double fault", 0
name_9:             db "coprocessor segment overrun", 0
name_10:            db "invalid TSS", 0
name_11:            db "segment not present", 0
name_12:            db "stack fault", 0
name_13:            db "general protection", 0
name_14:            db "page fault", 0
name_16:            db "floating-point error", 0
name_17:            db "alignment check", 0
name_18:            db "machine check", 0
name_19:            db "SIMD error", 0
unknown_exception:  db "unknown exception", 0

hex_digits:         db "0123456789abcdef"

%ifdef VERSION_2
uname_fields:       db "tinyos", 0, "tinyos", 0, "2.0", 0, "#2", 0, "i386", 0, "(none)", 0
%else
uname_fields:       db "tinyos", 0, "tinyos", 0, "1.0", 0, "#1", 0, "i386", 0, "(none)", 0
%endif

        align   4, db 0
call_table:                             ; system call number, function
        dd      SYS_EXIT, sys_exit
        dd      SYS_READ, sys_read
        dd      SYS_WRITE, sys_write
        dd      SYS_GETPID, sys_getpid
        dd      SYS_BRK, sys_brk
        dd      SYS_UNAME, sys_uname
        dd      SYS_SCHED_YIELD, sys_sched_yield
%ifdef VERSION_2
        dd      SYS_FORK, sys_fork
        dd      SYS_WAITPID, sys_wait4  ; EBX, ECX, EDX mean the same
        dd      SYS_EXECVE, sys_execve
        dd      SYS_GETPPID, sys_getppid
        dd      SYS_WAIT4, sys_wait4
%endif
        dd      0

        align   PAGE, db 0
ticks:              dd 0                ; timer interrupts so far
scheduler_lock:     dd 0                ; 1 while somebody is inside sched_lock
current:            dd process_table    ; the process that runs, or ran last
processes_alive:    dd 0
process_table_end:  dd 0
reschedule:         dd 0                ; not zero: look for another process before going back to ring 3
kernel_directory:   dd 0                ; page directory with only the kernel in it
active_directory:   dd 0                ; what CR3 was last loaded with
memory_end:         dd 0                ; bytes of physical memory in use
first_frame:        dd 0                ; frames below belong to the kernel's and the programs' images
next_frame:         dd 0                ; frames from here on were never used
free_frames:        dd 0                ; first of the frames that were given back, 0 if none
input_start:        dd 0                ; bytes of console input taken so far
input_end:          dd 0                ; bytes of console input arrived so far
%ifdef VERSION_2
last_pid:           dd 0                ; numbers are not used twice
exec_name:          times 16 db 0       ; the name execve was given
%endif
%ifdef PARAVIRT
updates_waiting:    dd 0                ; how many of the page table updates below the VMM has not been told yet
updates:            times 2 * MOST_UPDATES dd 0
arrived:            db 0                ; a byte of console input
        align   4, db 0
%endif
boot_info:          times BOOT_INFO_SIZE db 0
input:              times INPUT_SIZE db 0

        align   PAGE, db 0
process_table:      times MAX_PROCESSES * PROC_SIZE db 0

%ifdef VERSION_2
        align   PAGE, db 0
frame_users:        times KERNEL_SPACE / PAGE db 0      ; for each frame, how many page tables map it
%endif

        align   PAGE, db 0
kernel_stack:       times PAGE db 0
kernel_stack_top:
