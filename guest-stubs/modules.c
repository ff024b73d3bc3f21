/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: what a Multiboot kernel is handed: command line, memory sizes, memory map and modules. What to expect stands
 * on its own command line: modules=N, memory=SIZE; and the text of a module may end with size=N, the size of its file.
 *
 *   [guest modules]
 *   image = modules.elf
 *   memory = 16M
 *   cmdline = memory=16M modules=2
 *   module = hello.elf
 *   module = exit_status.elf second argument
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/multiboot.h"

enum { PAGE = 4096 };

extern const char stub_end[];

static const struct multiboot_module *module_at(unsigned index)
{
    return (const struct multiboot_module *)(uintptr_t)multiboot_info->modules + index;
}

static bool overlaps(u32 start, u32 end, u32 other_start, u32 other_end)
{
    return start < other_end && other_start < end;
}

/* Number behind "size=" in a module's text, or `absent`. */
static u32 wanted_size(const char *text, u32 absent)
{
    const char *before = stub_command_line;
    u32 size;

    stub_command_line = text;
    size = (u32)argument("size", absent);
    stub_command_line = before;
    return size;
}

static bool module_is_right(unsigned index)
{
    const struct multiboot_module *module = module_at(index);
    const char *text = (const char *)(uintptr_t)module->text;

    print("# module %u: 0x%x to 0x%x \"%s\"\n", index, module->start, module->end, text);
    if (module->start % PAGE != 0 || module->start >= module->end || module->end > memory_end())
        return false;
    if (overlaps(module->start, module->end, 0x100000, (u32)(uintptr_t)stub_end))
        return false;
    for (unsigned i = 0; i < index; i++) {
        if (overlaps(module->start, module->end, module_at(i)->start, module_at(i)->end))
            return false;
    }
    return module->end - module->start == wanted_size(text, module->end - module->start) && text[0] != '\0';
}

/* Bytes that the memory map calls usable and that lie above 1 MiB; the map must be sorted and without overlaps. */
static u64 usable_above_1m(bool *in_order)
{
    u32 at = multiboot_info->map, end = at + multiboot_info->map_length;
    u64 sum = 0, last = 0;

    *in_order = true;
    while (at < end) {
        const struct multiboot_map_entry *entry = (const struct multiboot_map_entry *)(uintptr_t)at;

        print("# memory 0x%llx to 0x%llx type %u\n", (unsigned long long)entry->base,
              (unsigned long long)(entry->base + entry->length), entry->type);
        if (entry->base < last)
            *in_order = false;
        last = entry->base + entry->length;
        if (entry->type == MULTIBOOT_USABLE && entry->base >= 0x100000)
            sum += entry->length;
        at += entry->size + 4;
    }
    return sum;
}

void stub_main(void)
{
    u64 memory = argument("memory", 0), above = memory - 0x100000;
    u32 modules = (u32)argument("modules", 0), right = 0;
    bool in_order;

    plan(7);
    print("# command line \"%s\"\n", stub_command_line);
    ok(multiboot_magic == MULTIBOOT_MAGIC, "the magic number");
    ok((multiboot_info->flags & MULTIBOOT_COMMAND_LINE) && memory, "the command line is there");
    ok(multiboot_info->mem_lower >= 600 && multiboot_info->mem_lower <= 640, "mem_lower is %u KiB",
       multiboot_info->mem_lower);
    ok(multiboot_info->mem_upper == above >> 10, "mem_upper is %u KiB", multiboot_info->mem_upper);
    ok((multiboot_info->flags & MULTIBOOT_MAP) && usable_above_1m(&in_order) == above && in_order,
       "the memory map says the same, in order");
    ok(multiboot_info->module_count == modules, "there are %u modules", multiboot_info->module_count);
    for (unsigned i = 0; i < multiboot_info->module_count; i++)
        right += module_is_right(i);
    ok(right == multiboot_info->module_count, "they are whole pages apart from everything else");
}
