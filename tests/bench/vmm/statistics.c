/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmm.h: KVM's binary statistics (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD). */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/bench/vmm/vmm.h"

static int vm_file, vcpu_file;

void statistics_open(void)
{
    vm_file = ioctl(vm_fd, KVM_GET_STATS_FD, 0);
    vcpu_file = ioctl(vcpu_fd, KVM_GET_STATS_FD, 0);
    expect(vm_file >= 0 && vcpu_file >= 0, "open statistics");
}

static u64 statistic(int file, const char *name)
{
    struct kvm_stats_header header;
    u64 value = 0;
    bool found = false;

    expect(pread(file, &header, sizeof(header), 0) == sizeof(header), "read what statistics there are");
    size_t size = sizeof(struct kvm_stats_desc) + header.name_size;
    struct kvm_stats_desc *description = malloc(size);
    expect(description, "memory");
    for (u32 i = 0; i < header.num_desc && !found; i++) {
        expect(pread(file, description, size, (off_t)(header.desc_offset + i * size)) == (ssize_t)size,
               "describe a statistic");
        found = strcmp(description->name, name) == 0;
        if (found)
            expect(pread(file, &value, sizeof(value), (off_t)header.data_offset + description->offset) == sizeof(value),
                   "read a statistic");
    }
    expect(found, name);
    free(description);
    return value;
}

u64 vm_statistic(const char *name)
{
    return statistic(vm_file, name);
}

u64 vcpu_statistic(const char *name)
{
    return statistic(vcpu_file, name);
}
