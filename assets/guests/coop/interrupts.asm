; Interrupts: they count ticks and keep input. Who runs, they leave as it is.

; interrupts_init: controllers, timer, serial port.
interrupts_init:
        mov     esi, .ports
        mov     ecx, (.ports_end - .ports) / 4
.next:
        mov     dx, [esi]
        mov     al, [esi + 2]
        out     dx, al
        add     esi, 4
        dec     ecx
        jnz     .next
        ret
.ports:                                 ; port, value
        dw      PIC1_COMMAND, 0x11      ; edge-triggered, two controllers
        dw      PIC2_COMMAND, 0x11
        dw      PIC1_DATA, VECTOR_TIMER
        dw      PIC2_DATA, VECTOR_TIMER + 8
        dw      PIC1_DATA, 1 << 2
        dw      PIC2_DATA, 2
        dw      PIC1_DATA, 1
        dw      PIC2_DATA, 1
        dw      PIC1_DATA, ~(1 << 0 | 1 << 4) & 0xFF
        dw      PIC2_DATA, 0xFF
        dw      TIMER_CONTROL, 0x34     ; counter 0, rate generator
        dw      TIMER_COUNTER_0, TIMER_COUNT & 0xFF
        dw      TIMER_COUNTER_0, TIMER_COUNT >> 8
        dw      SERIAL_LINE, 0x80       ; 115200 baud, 8 data bits
        dw      SERIAL, 1
        dw      SERIAL_INTERRUPTS, 0
        dw      SERIAL_LINE, 0x03
        dw      SERIAL_FIFO, 0x07
        dw      SERIAL_MODEM, 0x0B      ; OUT2 connects the interrupt line
        dw      SERIAL_INTERRUPTS, 0x01
.ports_end:

timer_interrupt:
        push    eax
        inc     dword [ticks]
        mov     al, PIC_EOI
        out     PIC1_COMMAND, al
        pop     eax
        iretd

; serial_interrupt: keep what has arrived, and let who waits for input run.
serial_interrupt:
        pushad
.next:
        mov     edx, SERIAL_STATUS
        in      al, dx
        test    al, 1
        jz      .done
        mov     edx, SERIAL
        in      al, dx
        mov     ecx, [input_end]
        mov     edx, ecx
        sub     edx, [input_start]
        cmp     edx, INPUT_SIZE
        je      .next                   ; full: the byte is lost
        and     ecx, INPUT_SIZE - 1
        mov     [input + ecx], al
        inc     dword [input_end]
        jmp     .next
.done:
        mov     ebx, tasks
.task:
        cmp     dword [ebx + TASK_STATE], STATE_WAITING
        jne     .other
        mov     dword [ebx + TASK_STATE], STATE_READY
.other:
        add     ebx, TASK_SIZE
        cmp     ebx, tasks + MOST_TASKS * TASK_SIZE
        jb      .task
        mov     al, PIC_EOI
        out     PIC1_COMMAND, al
        popad
        iretd

; mistake: any exception. There is nobody to blame but the system itself.
mistake:
        mov     esi, mistake_text
        call    print
        jmp     command_halt.halt
