; fib: the fifteenth Fibonacci number by calling itself twice.

%include "start.inc"
        dd      0, 0
        align   PAGE, db 0
main:
        mov     eax, 15
        call    fib
        dec     dword [rounds]
        jnz     main
finish: hlt

fib:    push    ebx
        push    esi
        mov     ebx, eax
        cmp     eax, 2
        jb      .done
        lea     eax, [ebx - 1]
        call    fib
        mov     esi, eax
        lea     eax, [ebx - 2]
        call    fib
        add     eax, esi
.done:  pop     esi
        pop     ebx
        ret
