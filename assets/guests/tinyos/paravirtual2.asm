; tinyos 2 for a VMM that takes hypercalls (kernel.asm).

%define PARAVIRT
%define VERSION_2
%include "kernel.asm"
