; forker: make children, which write to memory they share with their parent, and wait for them. What a child writes, the
; parent does not see: fork copies, though not before somebody writes. The last child becomes another program.
;
; The number it is given is how many children (0: 2).

        bits    32
%include "linux.inc"
        org     PROGRAM_BASE

start:
        mov     ebp, eax
        test    ebp, ebp
        jnz     .next
        mov     ebp, 2

.next:
        inc     dword [value]
        mov     eax, SYS_FORK
        int     SYSTEM_CALL
        test    eax, eax
        js      no_fork
        jz      child
        ; The parent: wait for it, and look what became of the value.
        push    eax
        mov     ebx, eax
        mov     ecx, status
        xor     edx, edx
        xor     esi, esi
        mov     eax, SYS_WAIT4
        int     SYSTEM_CALL
        pop     ecx
        cmp     eax, ecx
        mov     ebx, 1
        jne     exit
        mov     edi, line
        mov     esi, ended
        call    put_text
        movzx   eax, byte [status + 1]
        call    put_number
        mov     esi, still
        call    put_text
        mov     eax, [value]
        call    put_number
        call    write_line
        dec     ebp
        jnz     .next
        xor     ebx, ebx
        jmp     exit

; child: change the value, say so, and end with it; the last one becomes hello.
child:
        cmp     ebp, 1
        je      become
        add     dword [value], 100
        mov     edi, line
        mov     esi, mine
        call    put_text
        mov     eax, [value]
        call    put_number
        call    write_line
        mov     ebx, [value]
        jmp     exit

become:
        mov     ebx, hello
        mov     ecx, arguments
        xor     edx, edx
        mov     eax, SYS_EXECVE
        int     SYSTEM_CALL
        mov     ebx, 2                  ; only if that failed
        jmp     exit

no_fork:
        mov     edi, line
        mov     esi, unknown
        call    put_text
        call    write_line
        mov     ebx, 1
        jmp     exit

%include "output.inc"

        align   PAGE, db 0
value:          dd 0
status:         dd 0
arguments:      dd hello, 0
hello:          db "hello", 0
mine:           db "child: the value is ", 0
ended:          db "parent: a child ended with ", 0
still:          db ", the value is still ", 0
unknown:        db "forker: this system has no fork", 0
line:           times 80 db 0
