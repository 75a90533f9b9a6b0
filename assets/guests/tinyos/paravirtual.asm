; tinyos 1 for a VMM that takes hypercalls: the same source, with what touches the hardware replaced (kernel.asm).

%define PARAVIRT
%include "kernel.asm"
