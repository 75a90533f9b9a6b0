; A Multiboot header around a guest image: does what the loader does, so that other PCs can start the same bytes.
;   guest.bin      the image, from GUEST_PHYS on; boot_gdt.bin, boot_info.bin as the loader writes them
        bits    32
%include "layout.inc"
        org     0x00400000
header:
        dd      0x1BADB002, 0x00010000, -(0x1BADB002 + 0x00010000)
        dd      header, header, image_end, 0, entry
entry:
        cli
        cld
        mov     esp, 0x7000
        mov     esi, guest
        mov     edi, GUEST_PHYS
        mov     ecx, guest_end - guest
        rep movsb
        mov     esi, gdt
        mov     edi, BOOT_GDT
        mov     ecx, gdt_end - gdt
        rep movsb
        mov     esi, info
        mov     edi, BOOT_INFO
        mov     ecx, info_end - info
        rep movsb
        lgdt    [gdt_register]
        jmp     0x08:.flat
.flat:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        mov     ss, eax
        mov     ebx, BOOT_INFO
        mov     eax, GUEST_ENTRY
        jmp     eax
gdt_register:
        dw      gdt_end - gdt - 1
        dd      BOOT_GDT
gdt:    incbin "boot_gdt.bin"
gdt_end:
info:   incbin "boot_info.bin"
info_end:
guest:  incbin "guest.bin"
guest_end:
image_end:
