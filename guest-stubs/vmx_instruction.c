/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest has no VMX: every instruction of it raises #UD, and CR4.VMXE cannot be set.
 *
 *   [guest vmx-instruction]
 *   image = vmx_instruction.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/lib/stub.h"

static u64 region;
static u64 descriptor[2];

static void vmxon(void *unused)
{
    __asm__ volatile("vmxon %0" : : "m"(region) : "memory");
}

static void vmxoff(void *unused)
{
    __asm__ volatile("vmxoff");
}

static void vmcall(void *unused)
{
    __asm__ volatile("vmcall" : : "a"(0));
}

/* slat's question whether commands are taken: there is nobody to answer. */
static void vmcall_present(void *unused)
{
    __asm__ volatile("vmcall" : : "a"(HYPERCALL_PRESENT));
}

static void vmlaunch(void *unused)
{
    __asm__ volatile("vmlaunch");
}

static void vmresume(void *unused)
{
    __asm__ volatile("vmresume");
}

static void vmptrld(void *unused)
{
    __asm__ volatile("vmptrld %0" : : "m"(region) : "memory");
}

static void vmptrst(void *unused)
{
    __asm__ volatile("vmptrst %0" : "=m"(region) : : "memory");
}

static void vmclear(void *unused)
{
    __asm__ volatile("vmclear %0" : : "m"(region) : "memory");
}

static void vmread(void *unused)
{
    u32 value;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(0x4402));
}

static void vmwrite(void *unused)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(0x4402), "r"(0));
}

static void invept(void *unused)
{
    __asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(2) : "memory");
}

static void invvpid(void *unused)
{
    __asm__ volatile("invvpid %0, %1" : : "m"(descriptor), "r"(2) : "memory");
}

static void vmfunc(void *unused)
{
    __asm__ volatile("vmfunc" : : "a"(0), "c"(0));
}

static void set_vmxe(void *unused)
{
    write_cr4(read_cr4() | CR4_VMXE);
}

static const struct {
    const char *name;
    void (*execute)(void *unused);
} instructions[] = {
    { "VMXON", vmxon },       { "VMXOFF", vmxoff },
    { "VMCALL", vmcall },     { "VMLAUNCH", vmlaunch },
    { "VMRESUME", vmresume }, { "VMPTRLD", vmptrld },
    { "VMPTRST", vmptrst },   { "VMCLEAR", vmclear },
    { "VMREAD", vmread },     { "VMWRITE", vmwrite },
    { "INVEPT", invept },     { "INVVPID", invvpid },
    { "VMFUNC", vmfunc },     { "VMCALL of slat's", vmcall_present },
};

enum { INSTRUCTIONS = sizeof(instructions) / sizeof(instructions[0]) };

void stub_main(void)
{
    int vector;

    plan(INSTRUCTIONS + 2);
    for (unsigned i = 0; i < INSTRUCTIONS; i++) {
        vector = catch_exception(instructions[i].execute, NULL);
        ok(vector == EXCEPTION_UD, "%s raises #UD (%d)", instructions[i].name, vector);
    }
    vector = catch_exception(set_vmxe, NULL);
    ok(vector == EXCEPTION_GP, "setting CR4.VMXE raises #GP (%d)", vector);
    ok(!(read_cr4() & CR4_VMXE), "and it reads as 0");
}
