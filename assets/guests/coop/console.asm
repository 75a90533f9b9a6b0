; The serial console, and the script that stands for somebody typing there.

; print: send a zero-terminated string.
;   ESI  string. Changes EAX, EDX, ESI.
print:
        lodsb
        test    al, al
        jz      .end
        call    print_char
        jmp     print
.end:
        ret

print_line_end:
        mov     al, 10
; print_char: send one character.
;   AL  character. Changes AH, EDX.
print_char:
        mov     ah, al
        mov     edx, SERIAL_STATUS
.wait:
        in      al, dx
        test    al, 0x20
        jz      .wait
        mov     edx, SERIAL
        mov     al, ah
        out     dx, al
        ret

; print_decimal: send a number.
;   EAX  number. Changes EAX, ECX, EDX.
print_decimal:
        xor     edx, edx
        mov     ecx, 10
        div     ecx
        push    edx
        test    eax, eax
        jz      .digit
        call    print_decimal
.digit:
        pop     eax
        add     al, '0'
        jmp     print_char

; read_line: a line of the script, or of what is typed, into `line`; it is shown as it comes. What does not fit is lost.
; Changes every register.
read_line:
        mov     edi, line
.next:
        call    read_char
        cmp     al, 13
        je      .end
        cmp     al, 10
        je      .end
        cmp     edi, line + LINE_SIZE - 1
        jae     .next
        stosb
        call    print_char
        jmp     .next
.end:
        mov     byte [edi], 0
        jmp     print_line_end

; read_char: the next character. Other tasks run before it comes.
; Returns AL. Changes ESI, EBX.
read_char:
        call    yield
        mov     esi, [script]
        cmp     esi, [script_end]
        jae     .typed
        lodsb
        mov     [script], esi
        ret
.typed:
        mov     ebx, [boot_info]
        cmp     dword [ebx + BOOT_COUNT], 0
        je      .input
        cmp     dword [ebx + BOOT_SCRIPT_ARG], 0
        je      .over
.input:
        cli
        mov     esi, [input_start]
        cmp     esi, [input_end]
        jne     .take
        mov     ebx, [current]
        mov     dword [ebx + TASK_STATE], STATE_WAITING
        sti
        call    yield
        jmp     .input
.take:
        sti
        and     esi, INPUT_SIZE - 1
        mov     al, [input + esi]
        inc     dword [input_start]
        ret
.over:
        call    print_line_end
        jmp     command_halt
