; The serial console: polled output, interrupt-driven input, and printing.

%ifdef PARAVIRT
; console_write: send text, as much at a time as the VMM takes.
;   ESI  text   ECX  bytes. Changes EAX, ECX, EDX, ESI.
console_write:
        push    ebx
.next:
        jecxz   .end
        mov     edx, ecx                ; what is left
        cmp     ecx, MOST_TEXT
        jbe     .send
        mov     ecx, MOST_TEXT
.send:
        mov     ebx, esi
        hypercall CONSOLE_WRITE
        test    eax, eax
        js      .end                    ; it cannot be read: nobody would want it
        add     esi, eax
        mov     ecx, edx
        sub     ecx, eax
        jmp     .next
.end:
        pop     ebx
        ret
%else
; console_init: 115200 baud, 8 data bits, no parity, FIFOs on, interrupt when a byte arrives.
console_init:
        mov     esi, .setup
        mov     ecx, (.setup_end - .setup) / 4
.next:
        mov     dx, [esi]
        mov     al, [esi + 2]
        out     dx, al
        add     esi, 4
        dec     ecx
        jnz     .next
        ret
.setup:                                 ; port, value
        dw      SERIAL_LINE, 0x80       ; the divisor shows
        dw      SERIAL, 1
        dw      SERIAL_INTERRUPTS, 0
        dw      SERIAL_LINE, 0x03       ; the divisor is hidden; 8 bits
        dw      SERIAL_FIFO, 0x07
        dw      SERIAL_MODEM, 0x0B      ; ready, and OUT2 connects the interrupt line
        dw      SERIAL_INTERRUPTS, 0x01
.setup_end:

; console_write: send text, as many bytes at a time as the transmitter's FIFO holds once it is empty.
;   ESI  text   ECX  bytes. Changes EAX, ECX, EDX, ESI.
console_write:
        jecxz   .end
        mov     edx, SERIAL_STATUS
.wait:
        in      al, dx
        test    al, 0x20
        jz      .wait
        mov     edx, SERIAL
        mov     ah, SERIAL_FIFO_SIZE
.next:
        lodsb
        out     dx, al
        dec     ecx
        jz      .end
        dec     ah
        jnz     .next
        jmp     console_write
.end:
        ret
%endif

; print_char: send one character.
;   AL  character. Keeps every register.
print_char:
        pushad
        lea     esi, [esp + FRAME_EAX]  ; pushad's copy of AL
        mov     ecx, 1
        call    console_write
        popad
        ret

; print: send a zero-terminated string.
;   ESI  string. Changes EAX, ECX, EDX, ESI.
print:
        mov     ecx, -1
.next:
        inc     ecx
        cmp     byte [esi + ecx], 0
        jne     .next
        jmp     console_write

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

; print_hex: send a number as eight hexadecimal digits.
;   EAX  number. Changes EAX, ECX, EDX.
print_hex:
        mov     edx, eax
        mov     ecx, 8
.next:
        rol     edx, 4
        mov     eax, edx
        and     eax, 15
        mov     al, [hex_digits + eax]
        call    print_char
        dec     ecx
        jnz     .next
        ret

; handle_serial: keep what has arrived, and wake who waits for it.
;   EBX  frame
handle_serial:
%ifdef PARAVIRT
        push    ebx
        hypercall CONSOLE_READ, arrived, 1
        pop     ebx
        cmp     eax, 1
        jne     .done
        mov     al, [arrived]
%else
        mov     edx, SERIAL_STATUS
        in      al, dx
        test    al, 1
        jz      .done
        mov     edx, SERIAL
        in      al, dx
%endif
        mov     ecx, [input_end]
        mov     edx, ecx
        sub     edx, [input_start]
        cmp     edx, INPUT_SIZE
        je      handle_serial           ; full: the byte is lost
        and     ecx, INPUT_SIZE - 1
        mov     [input + ecx], al
        inc     dword [input_end]
        jmp     handle_serial
.done:
        mov     ebp, process_table
.next:
        cmp     ebp, [process_table_end]
        jae     .end
        cmp     dword [ebp + PROC_STATE], STATE_READING
        jne     .other
        mov     dword [ebp + PROC_STATE], STATE_RUNNABLE
.other:
        add     ebp, PROC_SIZE
        jmp     .next
.end:
%ifndef PARAVIRT
        mov     al, PIC_EOI
        out     PIC1_COMMAND, al
%endif
        ret

; input_take: the oldest byte of console input.
; Returns AL the byte; CF set if there is none. Changes ESI.
input_take:
        mov     esi, [input_start]
        cmp     esi, [input_end]
        stc
        je      .end
        and     esi, INPUT_SIZE - 1
        mov     al, [input + esi]
        inc     dword [input_start]
        clc
.end:
        ret
