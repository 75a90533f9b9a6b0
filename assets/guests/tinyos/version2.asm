; tinyos 2: the same source as version 1, with what is new in version 2 switched on (kernel.asm).

%define VERSION_2
%include "kernel.asm"
