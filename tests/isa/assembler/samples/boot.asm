; A boot sector: 16-bit code that enters protected mode.
        bits    16
        org     0x7c00

start:
        cli
        cld
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     si, message
.next:
        lodsb
        test    al, al
        jz      .done
        mov     ah, 0x0e
        mov     bx, 7
        int     0x10
        jmp     .next
.done:
        in      al, 0x92
        or      al, 2
        out     0x92, al
        lgdt    [descriptor]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 0x08:protected
message:
        db      "booting", 13, 10, 0

        bits    32
protected:
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     esp, 0x90000
        mov     byte [0xb8000], '!'
.halt:
        hlt
        jmp     .halt

        align   8, db 0
table:
        dq      0
        dw      0xffff, 0
        db      0, 0x9a, 0xcf, 0
        dw      0xffff, 0
        db      0, 0x92, 0xcf, 0
table_end:
descriptor:
        dw      table_end - table - 1
        dd      table

        times   510 - ($ - $$) db 0
        dw      0xaa55
