org 0x100000
%include "../../etc/passwd"
start:
    hlt
