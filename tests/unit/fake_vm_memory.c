/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_vm_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/load/guest_memory_map.h"

enum { MAX_WRITES = 256, PARTS = 3 }; /* parts: below and above 4 GiB, ROM */

struct write {
    u64 base, end;
};

struct vm_memory {
    u64 base[PARTS], size[PARTS];
    u8 *bytes[PARTS];
    unsigned writes_left;
    unsigned write_count;
    struct write writes[MAX_WRITES];
};

static u8 *map_zeros(u64 size)
{
    u8 *bytes;

    if (size == 0)
        return NULL;
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        abort();
    return bytes;
}

struct vm_memory *fake_vm_memory_create(u64 size)
{
    struct vm_memory *vm = calloc(1, sizeof(*vm));

    if (!vm)
        abort();
    vm->size[0] = size < GUEST_BELOW_4G ? size : GUEST_BELOW_4G;
    vm->base[1] = GUEST_ABOVE_4G;
    vm->size[1] = size - vm->size[0];
    for (int i = 0; i < 2; i++)
        vm->bytes[i] = map_zeros(vm->size[i]);
    vm->writes_left = UINT32_MAX;
    return vm;
}

void fake_vm_memory_add_rom(struct vm_memory *vm, u64 size)
{
    vm->base[2] = GUEST_ABOVE_4G - size;
    vm->size[2] = size;
    vm->bytes[2] = map_zeros(size);
}

void fake_vm_memory_destroy(struct vm_memory *vm)
{
    for (int i = 0; i < PARTS; i++)
        if (vm->bytes[i])
            munmap(vm->bytes[i], vm->size[i]);
    free(vm);
}

static u8 *find(const struct vm_memory *vm, u64 gpa, u64 size)
{
    for (int i = 0; i < PARTS; i++) {
        u64 offset = gpa - vm->base[i];

        if (gpa >= vm->base[i] && offset <= vm->size[i] && size <= vm->size[i] - offset && vm->bytes[i])
            return vm->bytes[i] + offset;
    }
    return NULL;
}

const u8 *fake_vm_memory_at(const struct vm_memory *vm, u64 gpa, u64 size)
{
    return find(vm, gpa, size);
}

u64 fake_vm_memory_written(const struct vm_memory *vm, u64 base, u64 end)
{
    u64 written = 0;

    for (unsigned i = 0; i < vm->write_count; i++)
        if (vm->writes[i].base >= base && vm->writes[i].end <= end)
            written += vm->writes[i].end - vm->writes[i].base;
    return written;
}

void fake_vm_memory_fail_at(struct vm_memory *vm, unsigned count)
{
    vm->writes_left = count;
}

static void die(const char *what, u64 base, u64 size)
{
    fprintf(stderr, "fake_vm_memory: %s: %#lx, %#lx bytes\n", what, base, size);
    abort();
}

int vm_memory_write(struct vm_memory *vm, gpa_t gpa, const void *from, u64 size)
{
    u8 *to = find(vm, gpa.v, size);

    if (!to)
        die("write outside the guest's memory", gpa.v, size);
    for (unsigned i = 0; i < vm->write_count; i++)
        if (gpa.v < vm->writes[i].end && vm->writes[i].base < gpa.v + size)
            die("second write to the same place", gpa.v, size);
    if (vm->write_count == MAX_WRITES)
        die("more writes than expected", gpa.v, size);
    if (vm->writes_left-- == 0)
        return -ENOMEM;

    vm->writes[vm->write_count++] = (struct write){ gpa.v, gpa.v + size };
    memcpy(to, from, size);
    return 0;
}
