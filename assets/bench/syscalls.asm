; syscalls: a program in ring 3 calls the kernel, which checks the number, adds, and returns.

%include "start.inc"
HANDLER         equ handler - $$ + ORIGIN
        dw      HANDLER & 0xFFFF, CODE
        db      0, 0xEE                 ; 32-bit interrupt gate, DPL 3
        dw      HANDLER >> 16
ADD_ONE         equ 4

        align   PAGE, db 0
main:
        mov     eax, TASK
        ltr     ax
        push    USER_DATA
        push    USER_STACK
        push    2                       ; EFLAGS
        push    USER_CODE
        push    program
        iretd

handler:
        push    ebx
        push    ecx
        push    edx
        cmp     eax, ADD_ONE
        jne     .unknown
        add     eax, ebx
        jmp     .done
.unknown:
        xor     eax, eax
.done:  pop     edx
        pop     ecx
        pop     ebx
        iretd

        align   PAGE, db 0
program:
        mov     eax, USER_DATA
        mov     ds, eax
        mov     es, eax
.next:  mov     eax, ADD_ONE
        mov     ebx, 1
        int     0x80
        add     edi, eax
        dec     dword [rounds]
        jnz     .next
finish: ud2                             ; ring 3 may not halt
