org 0x100000
start:
    mvo eax, 1
    hlt
