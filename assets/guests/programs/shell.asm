; shell: ask for the name of a program, run it, wait for it, and ask again. `exit` ends it, and so does the end of input.

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

LINE_SIZE           equ 64

start:
        mov     ecx, prompt
        mov     edx, 2
        call    say
        call    read_line
        jc      .end                    ; nobody will type any more
        cmp     byte [typed], 0
        je      start
        cmp     dword [typed], 'exit'
        jne     .run
        cmp     byte [typed + 4], 0
        je      .end
.run:
        mov     eax, SYS_FORK
        int     SYSTEM_CALL
        test    eax, eax
        js      .no_fork
        jz      child
        mov     ebx, eax
        mov     ecx, status
        xor     edx, edx
        xor     esi, esi
        mov     eax, SYS_WAIT4
        int     SYSTEM_CALL
        movzx   eax, byte [status + 1]
        test    byte [status], 0x7F
        jnz     .died
        test    eax, eax
        jz      start
.died:
        push    eax
        mov     edi, line
        mov     esi, ended
        call    put_text
        pop     eax
        call    put_number
        call    write_line
        jmp     start
.no_fork:
        mov     edi, line
        mov     esi, unknown
        call    put_text
        call    write_line
.end:
        xor     ebx, ebx
        jmp     exit

child:
        mov     ebx, typed
        mov     ecx, arguments
        xor     edx, edx
        mov     eax, SYS_EXECVE
        int     SYSTEM_CALL
        mov     edi, line
        mov     esi, typed
        call    put_text
        mov     esi, no_program
        call    put_text
        call    write_line
        mov     ebx, 127
        jmp     exit

; read_line: one line of input into `typed`, without its end; what does not fit is lost.
; CF set if input has ended. Changes all registers but ESP.
read_line:
        mov     edi, typed
.next:
        mov     eax, SYS_READ
        mov     ebx, STDIN
        mov     ecx, letter
        mov     edx, 1
        int     SYSTEM_CALL
        cmp     eax, 1
        jne     .none
        mov     al, [letter]
        cmp     al, 10
        je      .end
        cmp     al, 13
        je      .end
        cmp     edi, typed + LINE_SIZE - 1
        jae     .next
        stosb
        jmp     .next
.end:
        mov     byte [edi], 0
        clc
        ret
.none:
        stc
        ret

; say: send text to standard output.
;   ECX  text   EDX  bytes. Changes EAX, EBX.
say:
        mov     ebx, STDOUT
        mov     eax, SYS_WRITE
        int     SYSTEM_CALL
        ret

%include "output.inc"

        align   PAGE, db 0
status:         dd 0
arguments:      dd typed, 0
prompt:         db "$ "
ended:          db "shell: it ended with ", 0
no_program:     db ": there is no such program", 0
unknown:        db "shell: this system has no fork", 0
letter:         db 0
typed:          times LINE_SIZE db 0
line:           times LINE_SIZE + 40 db 0
