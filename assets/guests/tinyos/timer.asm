; The interrupt controllers and the timer that drives the scheduler.

%ifdef PARAVIRT
; timer_init: a timer event every TIMER_COUNT input clocks of the 8254.
timer_init:
        hypercall SET_TIMER, TIMER_COUNT
        ret
%else
; interrupts_init: IRQ 0-15 become vectors 0x20-0x2F, clear of the exceptions; only timer and serial port get through.
interrupts_init:
        mov     al, 0x11                ; ICW1: edge-triggered, two controllers, ICW4 follows
        out     PIC1_COMMAND, al
        out     PIC2_COMMAND, al
        mov     al, VECTOR_TIMER        ; ICW2: vector of the first line
        out     PIC1_DATA, al
        mov     al, VECTOR_TIMER + 8
        out     PIC2_DATA, al
        mov     al, 1 << 2              ; ICW3: the second controller is on line 2
        out     PIC1_DATA, al
        mov     al, 2
        out     PIC2_DATA, al
        mov     al, 1                   ; ICW4: 8086 mode
        out     PIC1_DATA, al
        out     PIC2_DATA, al
        mov     al, ~(1 << 0 | 1 << 4) & 0xFF   ; masks
        out     PIC1_DATA, al
        mov     al, 0xFF
        out     PIC2_DATA, al
        ret

; timer_init: counter 0, mode 2 (rate generator): one pulse every TIMER_COUNT input clocks.
timer_init:
        mov     al, 0x34
        out     TIMER_CONTROL, al
        mov     al, TIMER_COUNT & 0xFF
        out     TIMER_COUNTER_0, al
        mov     al, TIMER_COUNT >> 8
        out     TIMER_COUNTER_0, al
        ret
%endif

; handle_tick: count, and let the next process run.
;   EBX  frame
handle_tick:
        inc     dword [ticks]
        mov     byte [reschedule], 1
%ifndef PARAVIRT
        mov     al, PIC_EOI
        out     PIC1_COMMAND, al
%endif
        ret
