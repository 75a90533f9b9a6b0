; hello: say hello, with the name of the system and the number of the process.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        mov     ecx, hello
        mov     edx, hello_end - hello
        call    write_text
        mov     ebx, system
        mov     eax, SYS_UNAME
        int     SYSTEM_CALL
        mov     ecx, system
        xor     edx, edx
.length:
        inc     edx
        cmp     byte [ecx + edx], 0
        jne     .length
        call    write_text
        mov     ecx, process
        mov     edx, process_end - process
        call    write_text
        mov     eax, SYS_GETPID
        int     SYSTEM_CALL
        call    write_number
        mov     ecx, newline
        mov     edx, 1
        call    write_text
        xor     ebx, ebx
        jmp     exit

%include "output.inc"

        align   PAGE, db 0
hello:          db "hello from "
hello_end:
process:        db ", process "
process_end:
newline:        db 10
system:         times 6 * 65 db 0
