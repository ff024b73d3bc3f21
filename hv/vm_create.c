/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making a virtual machine: memory, devices, processor, image. What fails ends the guest with a reason, and gives back what
 * it had: others may need it.
 */
#include "arch/x86/cpu.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/vm_internal.h"
#include "mm/backing.h"
#include "mm/frame.h"

#define ROM_END 0x100000000ull
enum { ROM_SLOT = VM_SLOTS };

static int add_slots(struct vm *vm, struct backing *backing)
{
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(vm->conf.memory, slots);
    enum level largest = (enum level)vm->conf.largest_page;
    int error = 0;

    for (unsigned i = 0; i < count && !error; i++)
        error = vm_memory_add_slot(vm->memory, slots[i].id, slots[i].base, slots[i].npages, backing, slots[i].offset, 0,
                                   largest);
    return error;
}

/* A firmware's memory, which ends at 4 GiB. It is not part of the guest's RAM: nobody logs it or gives it back in parts. */
static int create_rom(struct vm *vm, u64 size)
{
    struct backing *backing;
    int error = backing_create(size >> PAGE_SHIFT, 0, &backing);

    if (error)
        return error;
    error = vm_memory_add_slot(vm->memory, ROM_SLOT, (gfn_t){ (ROM_END - size) >> PAGE_SHIFT }, size >> PAGE_SHIFT,
                               backing, 0, 0, LEVEL_4K);
    backing_put(backing);
    return error;
}

/* A guest that has all its memory can count on its tables too. One that takes memory as it goes can count on nothing. */
static u64 frames_for_tables(const struct vm *vm)
{
    return vm->conf.on_demand ? 0 : vm_memory_overhead(vm->conf.memory >> PAGE_SHIFT);
}

/* 0, -ENOMEM, -EINVAL (the processor cannot address so much). */
static int create_memory(struct vm *vm, u64 rom_size)
{
    struct backing *backing;
    u32 flags = vm->conf.on_demand ? BACKING_ON_DEMAND : 0;
    u64 pages = vm->conf.memory >> PAGE_SHIFT;
    u64 reserve = frames_for_tables(vm);
    int error = frame_reserve(reserve);

    if (error)
        return error;
    vm->reserved_frames = reserve;
    error = vm_memory_create(&vm->memory);
    if (error)
        return error;
    error = backing_create(pages, flags, &backing);
    if (error)
        return error;
    error = add_slots(vm, backing);
    backing_put(backing); /* the slots hold it now */
    return error || rom_size == 0 ? error : create_rom(vm, rom_size);
}

static void create_platform(struct vm *vm)
{
    u64 seconds = vm_ticks_to_ns(rdtsc() - vm_environment.tsc_epoch) / 1000000000ull;
    const struct guest_console_config console = {
        .context = vm,
        .emit = vm_emit_line,
        .match = vm_match_line,
        .output_limit = vm->conf.output_limit,
    };
    const struct platform_config platform = {
        .memory = vm->conf.memory,
        .unix_time = vm_environment.unix_time + seconds,
        .processors = vm->conf.processors,
        .context = vm,
        .console = vm_console_byte,
        .exit = vm_debug_exit,
        .reset = vm_reset,
        .power_off = vm_power_off,
        .deliver = vm_deliver,
        .intr = vm_pic_interrupt,
    };

    guest_console_init(&vm->console, &console);
    platform_init(&vm->platform, &platform);
}

static const char *mode_name(u32 mode)
{
    return mode == START_RESET    ? "its reset vector"
           : mode == START_REAL   ? "real mode"
           : mode == START_FLAT32 ? "32-bit mode"
                                  : "64-bit mode";
}

static void load(struct vm *vm, const struct vm_files *files)
{
    struct load_request request = {
        .memory = vm->memory,
        .memory_size = vm->conf.memory,
        .conf = &vm->conf,
        .image = files->image,
    };
    struct load_result result = { 0 };
    char text[VCPU_END_TEXT];

    memcpy(request.modules, files->modules, sizeof(request.modules));
    int error = image_load(&request, &result);
    if (error) {
        format_text(text, sizeof(text), "%s: %s", vm->conf.image, result.error);
        vm_end(vm, error == -ENOMEM ? GUEST_END_NO_MEMORY : GUEST_END_BAD_IMAGE, 0, text);
        return;
    }
    const char *lacks = vcpu_cannot_start(&result.start);
    if (lacks) {
        vm_end(vm, GUEST_END_CANNOT_START, 0, lacks);
        return;
    }
    struct vm_processor *first = vm->processors[0];
    vcpu_set_start(&first->vcpu, &result.start);
    for (u32 i = 0; i < vm->conf.vmcs_count; i++)
        vcpu_set_field(&first->vcpu, vm->conf.vmcs[i].field, vm->conf.vmcs[i].value);
    if (result.start.mode != START_RESET)
        lapic_virtual_wire(&first->lapic); /* as a firmware would have left it */
    vm->runs = true;
    log_line("%s: %llu KiB of memory, %s image of %llu KiB, starts in %s at %#llx", vm->conf.name,
             (unsigned long long)vm->conf.memory >> 10, result.format,
             (unsigned long long)(files->image.size + 1023) >> 10, mode_name(result.start.mode),
             (unsigned long long)result.start.rip);
}

static void end_without_memory(struct vm *vm, int error)
{
    unsigned long long wanted = vm->conf.memory >> 10, tables = frames_for_tables(vm) << PAGE_SHIFT >> 10;
    unsigned long long left = (frame_free_for_guests() + vm->reserved_frames) << PAGE_SHIFT >> 10;
    char text[VCPU_END_TEXT];

    if (error == -EINVAL) {
        format_text(text, sizeof(text), "it asks for %llu KiB of memory, more than this processor can address", wanted);
        vm_end(vm, GUEST_END_CANNOT_START, 0, text);
    } else {
        format_text(
            text, sizeof(text),
            "it asks for %llu KiB of memory, needs up to %llu KiB for its tables, and the machine has %llu KiB left",
            wanted, tables, left);
        vm_end(vm, GUEST_END_NO_MEMORY, 0, text);
    }
}

void vm_create(struct vm *vm, const struct guest_conf *conf, const struct vm_files *files)
{
    int error;

    memset(vm, 0, sizeof(*vm));
    vm->conf = *conf;
    create_platform(vm);
    if (files->problem) {
        vm_end(vm, GUEST_END_BAD_IMAGE, 0, files->problem);
        return;
    }
    error = create_memory(vm, image_rom_size(conf, &files->image));
    if (!error)
        error = vm_processors_create(vm);
    if (error)
        end_without_memory(vm, error);
    else
        load(vm, files);
    if (!vm->runs)
        vm_destroy(vm);
}
