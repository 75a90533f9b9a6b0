; Numbers, operators and data.
        bits    32
ten     equ     10
far_end equ     end
        db      0x1f, 1fh, 0b101, 101b, 0q17, 17o, 0d19, 19d, 1_0, 'A', -1, -128, 255
        dw      0x1234, -1, 'ab', "c", 65535
        dd      'abcd', "longer", 1 << 31, ~0, -(5), 7 % 3, 7 / 2, -7 // 2, -7 %% 3, 5 - 3 - 1
        dd      1 + 2 * 3, (1 + 2) * 3, 0xff & 0x0f | 0x100 ^ 3, 1 << 2 + 1, !0, !5, ten * ten, ~ten & 0xff
        dd      5 > 3, 5 < 3, 5 = 5, 5 == 4, 5 != 4, 5 <> 5, 5 >= 5, 4 <= 3, 1 && 0, 1 || 0, 1 ^^ 1
        dq      0xffffffffffffffff, -1, 1 << 63, "eight by", 'nine byte'
        dd      $, $$, $ - $$, end, end - $, far_end - $$, middle.of - middle
middle:
.of:    dd      .of, middle.of
        db      "quotes ' inside", 'and " too', `\x41\n\t\\\101\``
        times   3 db 1, "ab"
        times   2 dd $
        times   0 dd 5
        mov     eax, [ten * 4 + ebx]
        mov     eax, [ebx * (1 + 1) + ecx + (end - middle)]
        mov     al, end - middle
        shl     eax, ten - 9
        push    ten
        push    end
        add     eax, later
        add     ecx, [ebx + later]
        sub     edx, end - middle
later   equ     5
end:
