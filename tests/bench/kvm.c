/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/bench/kvm.h. */
#include "tests/bench/kvm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static int kvm = -1;

unsigned kvm_slots(void)
{
    if (kvm < 0)
        kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0 || ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return 0;

    int slots = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
    return slots > 0 ? (unsigned)slots : 0;
}

void kvm_vm_create(struct kvm_vm *vm, unsigned slots, bool vcpu)
{
    vm->vm = ioctl(kvm, KVM_CREATE_VM, 0);
    require(vm->vm >= 0);
    vm->vcpu = vcpu ? ioctl(vm->vm, KVM_CREATE_VCPU, 0) : -1;
    require(!vcpu || vm->vcpu >= 0);
    vm->memory =
        mmap(NULL, slots * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(vm->memory != MAP_FAILED);
}

void kvm_vm_destroy(struct kvm_vm *vm, unsigned slots)
{
    if (vm->vcpu >= 0)
        close(vm->vcpu);
    close(vm->vm);
    munmap(vm->memory, slots * PAGE_SIZE);
}

void kvm_set_slot(struct kvm_vm *vm, u32 id, u64 gfn, bool log_dirty)
{
    struct kvm_userspace_memory_region region = { .slot = id,
                                                  .flags = log_dirty ? KVM_MEM_LOG_DIRTY_PAGES : 0,
                                                  .guest_phys_addr = gfn * PAGE_SIZE,
                                                  .memory_size = PAGE_SIZE,
                                                  .userspace_addr = (u64)vm->memory + id * PAGE_SIZE };

    require(ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0);
}

void kvm_delete_slot(struct kvm_vm *vm, u32 id)
{
    struct kvm_userspace_memory_region region = { .slot = id };

    require(ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0);
}
