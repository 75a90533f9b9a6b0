; hello: say hello, with the name of the system and the number of the process.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        mov     edi, line
        mov     esi, hello
        call    put_text
        mov     ebx, system
        mov     eax, SYS_UNAME
        int     SYSTEM_CALL
        mov     esi, system             ; its first string is the system's name
        call    put_text
        mov     esi, process
        call    put_text
        mov     eax, SYS_GETPID
        int     SYSTEM_CALL
        call    put_number
        call    write_line
        xor     ebx, ebx
        jmp     exit

%include "output.inc"

        align   PAGE, db 0
hello:          db "hello from ", 0
process:        db ", process ", 0
system:         times 6 * 65 db 0
line:           times 80 db 0
