/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmm.h: the VM and its memory. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tests/bench/vmm/vmm.h"

enum { MULTIBOOT_INFO = 0x8000 };

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int vm_fd;
u8 *vm_memory;
u64 vm_size;

u8 *memory_create(u64 size, bool large)
{
    u8 *memory = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    expect(memory != MAP_FAILED, "map memory");
    memory += -(uintptr_t)memory % LARGE_PAGE;
    expect(madvise(memory, size, large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0, "choose the pages' size");
    expect(madvise(memory, size, MADV_POPULATE_WRITE) == 0, "populate memory");
    return memory;
}

void slot_set(u32 id, u64 base, u64 size, const u8 *memory, u32 flags)
{
    struct kvm_userspace_memory_region region = {
        .slot = id, .flags = flags, .guest_phys_addr = base, .memory_size = size, .userspace_addr = (u64)memory
    };

    expect(ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0, "set a slot");
}

/* Only how much memory there is: the guest wants no more. */
static void fill_multiboot(void)
{
    u32 *info = (u32 *)(vm_memory + MULTIBOOT_INFO);

    info[0] = 1; /* the two sizes are there */
    info[1] = 640;
    info[2] = (u32)(vm_size >> 10) - 1024;
}

void vm_create(u64 size)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    expect(kvm >= 0, "open /dev/kvm");
    expect(ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION, "this version of KVM");
    vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
    expect(vm_fd >= 0, "create a VM");
    /* TSC deadlines need the local APIC in the kernel. */
    expect(ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) == 0, "create interrupt controllers");
    vm_size = size;
    vm_memory = memory_create(size, true);
    slot_set(GUEST_SLOT, 0, size, vm_memory, 0);
    fill_multiboot();
    vcpu_create(kvm, image_load(), MULTIBOOT_INFO);
    statistics_open();
    vcpu_start();
    bench_settle();
}
