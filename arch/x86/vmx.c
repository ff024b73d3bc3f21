/* SPDX-License-Identifier: BSD-2-Clause */
/* Entering and leaving VMX operation. SDM vol. 3, 24.7 "Enabling and Entering VMX Operation". */
#include "arch/x86/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/panic.h"
#include "arch/x86/processor.h"
#include "arch/x86/vmx_controls.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "mm/port.h"

struct vmx_caps vmx_caps;

static struct vmx_msrs boot_msrs; /* the boot processor's */

enum { INVALIDATE_SINGLE = 1, INVALIDATE_ALL = 2 };

static bool fixed_bits_ok(u64 value, u64 fixed0, u64 fixed1)
{
    return (value & fixed0) == fixed0 && (value & ~fixed1) == 0;
}

/* Gives CR0 and CR4 the bits that VMXON wants. False: they do not take them. */
static bool set_control_registers(void)
{
    cr0_write((cr0_read() | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1);
    cr4_write(((cr4_read() | CR4_MCE | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1) | CR4_VMXE);
    return fixed_bits_ok(cr0_read(), vmx_caps.cr0_fixed0, vmx_caps.cr0_fixed1) &&
           fixed_bits_ok(cr4_read(), vmx_caps.cr4_fixed0, vmx_caps.cr4_fixed1);
}

static bool vmxon(void)
{
    u32 *region = port_frame_address(this_processor()->vmxon_region);
    hpa_t address = pfn_to_hpa(this_processor()->vmxon_region);
    bool failed;

    memset(region, 0, PAGE_SIZE);
    region[0] = vmx_caps.revision;
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(address.v) : "memory");
    return !failed;
}

/* What this processor can do; enters nothing yet. */
static int check(struct vmx_msrs *msrs, struct vmx_caps *caps, char reason[VMX_REASON_SIZE])
{
    bool enable_vmx = false;

    vmx_caps_read(msrs);
    int error = vmx_caps_check(msrs, caps, &enable_vmx, reason);
    if (error)
        return error;
    if (enable_vmx) {
        /* Firmware left the register open. VMXON needs both bits; the lock keeps everybody else from changing it. */
        wrmsr(MSR_FEATURE_CONTROL, msrs->feature_control | FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
    }
    return 0;
}

/* All from the first capability on; there is no padding between them. */
static bool same_capabilities(const struct vmx_msrs *a, const struct vmx_msrs *b)
{
    const size_t first = offsetof(struct vmx_msrs, basic);

    return memcmp((const u8 *)a + first, (const u8 *)b + first, sizeof(*a) - first) == 0;
}

static int enter_operation(char reason[VMX_REASON_SIZE])
{
    if (!set_control_registers()) {
        format_text(reason, VMX_REASON_SIZE, "CR0 %#llx or CR4 %#llx do not suit VMX operation",
                    (unsigned long long)cr0_read(), (unsigned long long)cr4_read());
        return -ENODEV;
    }
    if (!vmxon()) {
        format_text(reason, VMX_REASON_SIZE, "VMXON failed (another hypervisor left the processor in VMX operation?)");
        return -ENODEV;
    }
    /* Translations of a hypervisor that ran before us could otherwise match our EPT pointers and VPIDs. */
    vmx_invept_all();
    vmx_invvpid_all();
    return 0;
}

int vmx_start(char reason[VMX_REASON_SIZE])
{
    int error = check(&boot_msrs, &vmx_caps, reason);

    return error ? error : enter_operation(reason);
}

int vmx_join(char reason[VMX_REASON_SIZE])
{
    struct vmx_msrs msrs;
    struct vmx_caps caps;
    int error = check(&msrs, &caps, reason);

    if (!error && !same_capabilities(&msrs, &boot_msrs)) {
        format_text(reason, VMX_REASON_SIZE, "its VMX is another one than the boot processor's");
        error = -ENODEV;
    }
    return error ? error : enter_operation(reason);
}

void vmx_stop(void)
{
    __asm__ volatile("vmxoff" : : : "cc", "memory");
    cr4_write(cr4_read() & ~CR4_VMXE);
}

u64 vmx_eptp(pfn_t root, unsigned levels)
{
    u64 walk = (u64)(levels - 1) << 3;

    return pfn_to_hpa(root).v | walk | MEMORY_TYPE_WB | (vmx_caps.access_dirty ? EPTP_AD : 0);
}

static void invept(u64 type, u64 eptp)
{
    const u64 descriptor[2] = { eptp, 0 };
    bool failed;

    __asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "memory");
    if (failed)
        panic("INVEPT type %llu failed", (unsigned long long)type);
}

void vmx_invept(u64 eptp)
{
    if (vmx_caps.invept_single)
        invept(INVALIDATE_SINGLE, eptp);
    else
        vmx_invept_all();
}

void vmx_invept_all(void)
{
    invept(INVALIDATE_ALL, 0);
}

void vmx_invvpid_all(void)
{
    const u64 descriptor[2] = { 0, 0 };
    bool failed;

    if (!vmx_caps.invvpid)
        return;
    __asm__ volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"((u64)INVALIDATE_ALL) : "memory");
    if (failed)
        panic("INVVPID for all contexts failed");
}
