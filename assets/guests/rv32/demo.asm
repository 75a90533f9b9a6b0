; rv32: a guest for another processor. No instruction of it can run on an IA-32 CPU, so it runs under emulation only.
;
; It greets, counts the primes below 300 by trial division (RV32I has no divide: it subtracts), prints the count in
; decimal, and ends its run. The machine is a part of QEMU's `virt`: RAM at 0x80000000, a 16550A at 0x10000000, and the
; finisher at 0x100000.

arch rv32
org 0x80000000

UART      equ 0x10000000
FINISHER  equ 0x100000
PASS      equ 0x5555
LIMIT     equ 300

start:
        la      sp, stack_top
        la      a0, greeting
        call    print
        li      a0, LIMIT
        call    count_primes
        call    print_number
        la      a0, tail
        call    print
        li      t0, FINISHER
        li      t1, PASS
        sw      t1, 0(t0)
halted:
        j       halted

; a0 = how many primes lie below a0
count_primes:
        addi    sp, sp, -16
        sw      ra, 12(sp)
        sw      s0, 8(sp)
        sw      s1, 4(sp)
        sw      s2, 0(sp)
        mv      s0, a0
        li      s1, 2
        li      s2, 0
.next:
        bgeu    s1, s0, .done
        mv      a0, s1
        call    is_prime
        add     s2, s2, a0
        addi    s1, s1, 1
        j       .next
.done:
        mv      a0, s2
        lw      ra, 12(sp)
        lw      s0, 8(sp)
        lw      s1, 4(sp)
        lw      s2, 0(sp)
        addi    sp, sp, 16
        ret

; a0 = 1 if a0 is prime, else 0
is_prime:
        li      t0, 2
        li      t4, 4                   ; t4 = t0 * t0
.try:
        bltu    a0, t4, .yes
        mv      t1, a0
.subtract:
        sub     t1, t1, t0
        bgeu    t1, t0, .subtract
        beqz    t1, .no
        slli    t2, t0, 1               ; (n + 1)^2 = n^2 + 2 n + 1
        add     t4, t4, t2
        addi    t4, t4, 1
        addi    t0, t0, 1
        j       .try
.yes:
        li      a0, 1
        ret
.no:
        li      a0, 0
        ret

; print the string at a0
print:
        li      t0, UART
.byte:
        lbu     t1, 0(a0)
        beqz    t1, .end
.wait:
        lbu     t2, 5(t0)               ; line status: may a byte be written?
        andi    t2, t2, 0x20
        beqz    t2, .wait
        sb      t1, 0(t0)
        addi    a0, a0, 1
        j       .byte
.end:
        ret

; print a0 in decimal, at most five digits
print_number:
        li      t0, UART
        la      t3, powers
        li      t5, 0                   ; a digit was printed
.digit:
        lw      t2, 0(t3)
        li      t1, '0'
.count:
        bltu    a0, t2, .counted
        sub     a0, a0, t2
        addi    t1, t1, 1
        j       .count
.counted:
        li      t4, '0'
        bne     t1, t4, .show
        li      t4, 1
        beq     t2, t4, .show
        beqz    t5, .skip
.show:
        li      t5, 1
        sb      t1, 0(t0)
.skip:
        addi    t3, t3, 4
        li      t4, 1
        bne     t2, t4, .digit
        ret

align 4
powers: dd      10000, 1000, 100, 10, 1
greeting:
        db      "rv32 demo: no instruction of mine is one of the host's", 10, "primes below 300: ", 0
tail:   db      10, 0
align 16
        resb    256
stack_top:
