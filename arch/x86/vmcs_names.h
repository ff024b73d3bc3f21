/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of VMX in words. */
#ifndef ARCH_X86_VMCS_NAMES_H
#define ARCH_X86_VMCS_NAMES_H

/* "VM entry with invalid control field(s)": the text of a VM-instruction error number. SDM vol. 3, 31.4. */
const char *vm_instruction_error_name(unsigned error);

/* "EPT_VIOLATION": the name of a basic exit reason, as the SDM spells it (vol. 3, appendix C); "?" if there is none. */
const char *exit_reason_name(unsigned reason);

#endif
