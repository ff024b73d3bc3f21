/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Image loaders. The first HEAD_SIZE bytes of an input are the configuration (struct head), then come the first module,
 * if any, and the image. The fake vm_memory ends the program at a write outside the guest's memory or on top of an earlier
 * one; the image and the module are blocks of exactly their size, so the address sanitizer finds reads beyond them. Here:
 * what a success and a refusal promise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/load/guest_memory_map.h"
#include "hv/load/image.h"
#include "tests/unit/fake_vm_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct head {
    u8 format;       /* enum image_format */
    u8 start;        /* enum flat_start */
    u8 memory;       /* index in memory_sizes */
    u8 module_count; /* of CONF_MAX_MODULES + 1; and so many times that, less one, processors */
    u16 module_size; /* of the first; the others have one byte less each */
    u16 cmdline_length;
    u32 load; /* flat: in units of 16 bytes; entry in bytes from there */
    u32 entry;
};
_Static_assert(sizeof(struct head) == 16, "the seeds are made for this");

static const u64 memory_sizes[] = {
    0x1000,    0x2000,    0x9f000,    0xa0000,    0x100000,    0x101000,     0x400000,     0x2000000,
    0x1400000, 0x1ffd000, 0x40000000, 0xbffff000, 0xc0000000u, 0xc0001000ul, 0x100000000u, 0x180000000,
};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_load: %s\n", what);
    abort();
}

static u8 *copy(const u8 *from, u64 size)
{
    u8 *to = malloc(size);

    require(to != NULL, "no memory");
    memcpy(to, from, size);
    return to;
}

static void check_start(const struct vm_memory *memory, const struct guest_start *start)
{
    u64 segment = start->mode == START_REAL ? (u64)start->cs << 4 : start->mode == START_RESET ? 0xffff0000 : 0;
    u64 stack = start->mode == START_REAL ? (u64)start->ds << 4 : 0;

    require(start->mode <= START_RESET, "an unknown mode");
    require(fake_vm_memory_at(memory, segment + start->rip, 1) != NULL, "entry outside the guest's memory");
    require(segment + start->rip < GUEST_ABOVE_4G, "entry beyond what is reachable");
    require(start->rsp == 0 || fake_vm_memory_at(memory, stack + start->rsp - 0x1000, 0x1000) != NULL,
            "stack outside the guest's memory");
    require(start->gdt_limit == 0 || fake_vm_memory_at(memory, start->gdt_base, start->gdt_limit + 1ull) != NULL,
            "GDT outside the guest's memory");
    require(start->mode != START_REAL || (start->rip <= 0xffff && start->rsp <= 0xffff), "no real-mode offset");
    require((start->mode == START_LONG64) == (start->cr3 != 0), "page tables without 64-bit mode or the reverse");
    require(start->mode != START_LONG64 || fake_vm_memory_at(memory, start->cr3, 0x6000) != NULL, "cr3 outside memory");
    require(start->rbx == 0 || fake_vm_memory_at(memory, start->rbx, 0x1000) != NULL, "info outside memory");
    require(start->rsi == 0 || fake_vm_memory_at(memory, start->rsi, 0x1000) != NULL, "boot_params outside memory");
}

static void check_refusal(int error, const struct load_result *result)
{
    static const struct guest_start none;

    require(error == -EINVAL, "an error that is not the image's");
    require(result->error[0] != '\0', "no reason");
    require(memchr(result->error, '\0', sizeof(result->error)) != NULL, "a reason without an end");
    require(strchr(result->error, '\n') == NULL, "a reason of two lines");
    require(memcmp(&result->start, &none, sizeof(none)) == 0, "a start after a refusal");
}

/* Splits the rest of the input into the modules, which overlap, and the image. */
static const u8 *take_modules(const struct head *head, const u8 *rest, u64 *size, struct load_request *request,
                              struct guest_conf *conf)
{
    u64 module_size = head->module_size < *size ? head->module_size : *size;

    conf->module_count = head->module_count % (CONF_MAX_MODULES + 1);
    if (conf->module_count == 0)
        return rest;
    for (unsigned i = 0; i < conf->module_count; i++) {
        u64 length = module_size > i ? module_size - i : 0;

        request->modules[i] = (struct image){ copy(rest, length), length };
        memset(conf->modules[i].text, 'm', (head->cmdline_length + i) % CONF_MODULE_SIZE);
    }
    *size -= module_size;
    return rest + module_size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_conf conf;
    struct load_request request = { .conf = &conf };
    struct load_result result;
    struct head head;
    const u8 *rest = data + sizeof(head);
    u64 rest_size = size - sizeof(head), rom_size;
    int error;

    if (size < sizeof(head))
        return 0;
    memcpy(&head, data, sizeof(head));
    memset(&conf, 0, sizeof(conf));
    conf.format = head.format % (IMAGE_PVH + 1);
    conf.start = head.start % (FLAT_RESET + 1);
    conf.processors = 1 + head.module_count / (CONF_MAX_MODULES + 1) % CONF_MAX_PROCESSORS;
    conf.load = (u64)head.load << 4;
    conf.entry = conf.load + head.entry;
    conf.memory = memory_sizes[head.memory % (sizeof(memory_sizes) / sizeof(memory_sizes[0]))];
    strcpy(conf.image, "\\guest\\kernel");
    memset(conf.cmdline, 'c', head.cmdline_length % CONF_CMDLINE_SIZE);

    rest = take_modules(&head, rest, &rest_size, &request, &conf);
    request.memory_size = conf.memory;
    request.memory = fake_vm_memory_create(conf.memory);
    request.image = (struct image){ copy(rest, rest_size), rest_size };
    rom_size = image_rom_size(&conf, &request.image);
    if (rom_size)
        fake_vm_memory_add_rom(request.memory, rom_size);
    memset(&result, 0xee, sizeof(result));

    error = image_load(&request, &result);
    if (error)
        check_refusal(error, &result);
    else
        check_start(request.memory, &result.start);

    for (unsigned i = 0; i < conf.module_count; i++)
        free((void *)request.modules[i].data);
    free((void *)request.image.data);
    fake_vm_memory_destroy(request.memory);
    return 0;
}
