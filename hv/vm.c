/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a virtual machine: see vm.h. */
#include "hv/vm.h"

#include "arch/x86/cpu.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/load/guest_memory_map.h"
#include "hv/pattern.h"
#include "hv/task.h"
#include "mm/backing.h"
#include "mm/frame.h"

static struct vm_environment environment;

void vm_set_environment(const struct vm_environment *new_environment)
{
    environment = *new_environment;
}

/* Nanoseconds from TSC ticks, without overflow in any lifetime: seconds first, then the rest. */
static u64 ticks_to_ns(u64 ticks)
{
    u64 hz = environment.tsc_hz;

    return ticks / hz * 1000000000ull + ticks % hz * 1000000000ull / hz;
}

/* The guest's age by the host's clock: a guest that sets its own TSC does not change it. */
static u64 vm_age_ns(const struct vm *vm)
{
    u64 start = vm->vcpu.first_entry_tsc;

    return start ? ticks_to_ns(rdtsc() - start) : 0;
}

static void emit_line(void *context, const char *line)
{
    const struct vm *vm = context;
    char text[CONF_NAME_SIZE + GUEST_CONSOLE_LINE_SIZE + 8];
    int length = format_text(text, sizeof(text), "%-*s | %s\n", (int)environment.name_width, vm->conf.name, line);

    log_raw(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

static bool match_line(void *context, const char *line)
{
    const struct vm *vm = context;

    return pattern_found(vm->conf.expect, line);
}

static void console_byte(void *context, u8 byte)
{
    struct vm *vm = context;

    guest_console_put(&vm->console, byte);
}

static void debug_exit(void *context, u32 status)
{
    struct vm *vm = context;

    vcpu_end(&vm->vcpu, GUEST_END_EXIT, status, "it wrote %u to the debug-exit port", status);
}

static void reset(void *context)
{
    struct vm *vm = context;

    vcpu_end(&vm->vcpu, GUEST_END_UNSUPPORTED, 0, "it asked for a reset");
}

/* ---- exits, called by arch/x86 -------------------------------------------------------------------------------------- */

static u32 port_read(struct vcpu *vcpu, u16 port, unsigned size)
{
    struct vm *vm = vcpu->vm;

    return port_bus_read(&vm->platform.bus, port, size, vm_age_ns(vm));
}

static void port_write(struct vcpu *vcpu, u16 port, unsigned size, u32 value)
{
    struct vm *vm = vcpu->vm;

    port_bus_write(&vm->platform.bus, port, size, value, vm_age_ns(vm));
    if (vm->console.matched)
        vcpu_end(vcpu, GUEST_END_EXPECT_SEEN, 0, "the expected text came: \"%s\"", vm->conf.expect);
}

/* No interrupt reaches a guest yet: a halted processor stays so. */
static void halt(struct vcpu *vcpu, bool interrupts_enabled)
{
    struct vm *vm = vcpu->vm;

    guest_console_idle(&vm->console);
    if (vm->console.matched) {
        vcpu_end(vcpu, GUEST_END_EXPECT_SEEN, 0, "the expected text came: \"%s\"", vm->conf.expect);
        return;
    }
    vcpu_end(vcpu, GUEST_END_HALT, 0, "it halted at %#llx with interrupts %s", (unsigned long long)vcpu->exit_rip,
             interrupts_enabled ? "on, and no device can raise one" : "off");
}

static void vm_end(struct vm *vm, enum guest_end end, u32 status, const char *text)
{
    vm->end = end;
    vm->end_status = status;
    format_text(vm->end_text, sizeof(vm->end_text), "%s", text);
    vm->end_ns = vm_age_ns(vm);
    vm->runs = false;
}

static void ended(struct vcpu *vcpu)
{
    vm_end(vcpu->vm, vcpu->end, vcpu->end_status, vcpu->end_text);
}

static const struct vcpu_ops ops = {
    .port_read = port_read,
    .port_write = port_write,
    .halt = halt,
    .ended = ended,
};

/* ---- creation ------------------------------------------------------------------------------------------------------- */

static int add_slots(struct vm *vm, struct backing *backing)
{
    u64 pages = vm->conf.memory >> PAGE_SHIFT, low = GUEST_BELOW_4G >> PAGE_SHIFT;
    u64 low_pages = pages < low ? pages : low;
    enum level largest = (enum level)vm->conf.largest_page;
    int error = vm_memory_add_slot(vm->memory, 0, (gfn_t){ 0 }, low_pages, backing, 0, 0, largest);

    if (!error && pages > low_pages) {
        gfn_t high = { GUEST_ABOVE_4G >> PAGE_SHIFT };
        error = vm_memory_add_slot(vm->memory, 1, high, pages - low_pages, backing, low_pages, 0, largest);
    }
    return error;
}

static int create_memory(struct vm *vm)
{
    struct backing *backing;
    u32 flags = vm->conf.on_demand ? BACKING_ON_DEMAND : 0;
    int error = vm_memory_create(&vm->memory);

    if (error)
        return error;
    error = backing_create(vm->conf.memory >> PAGE_SHIFT, flags, &backing);
    if (error)
        return error;
    error = add_slots(vm, backing);
    backing_put(backing); /* the slots hold it now */
    return error;
}

static void create_platform(struct vm *vm)
{
    const struct guest_console_config console = {
        .context = vm,
        .emit = emit_line,
        .match = vm->conf.expect[0] ? match_line : NULL,
        .output_limit = vm->conf.output_limit,
    };
    const struct platform_config platform = {
        .memory = vm->conf.memory,
        .unix_time = environment.unix_time + ticks_to_ns(rdtsc() - environment.tsc_epoch) / 1000000000ull,
        .processors = 1,
        .context = vm,
        .console = console_byte,
        .exit = debug_exit,
        .reset = reset,
    };

    guest_console_init(&vm->console, &console);
    platform_init(&vm->platform, &platform);
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
    if (image_load(&request, &result)) {
        format_text(text, sizeof(text), "%s: %s", vm->conf.image, result.error);
        vm_end(vm, GUEST_END_BAD_IMAGE, 0, text);
        return;
    }
    const char *lacks = vcpu_cannot_start(&result.start);
    if (lacks) {
        vm_end(vm, GUEST_END_CANNOT_START, 0, lacks);
        return;
    }
    vcpu_set_start(&vm->vcpu, &result.start);
    for (u32 i = 0; i < vm->conf.vmcs_count; i++)
        vcpu_set_field(&vm->vcpu, vm->conf.vmcs[i].field, vm->conf.vmcs[i].value);
    vm->runs = true;
    log_line("%s: %llu KiB of memory, %s image of %llu KiB, starts in %s at %#llx", vm->conf.name,
             (unsigned long long)vm->conf.memory >> 10, result.format,
             (unsigned long long)(files->image.size + 1023) >> 10,
             result.start.mode == START_REAL     ? "real mode"
             : result.start.mode == START_FLAT32 ? "32-bit mode"
                                                 : "64-bit mode",
             (unsigned long long)result.start.rip);
}

static void out_of_memory(struct vm *vm)
{
    char text[VCPU_END_TEXT];

    format_text(text, sizeof(text), "it asks for %llu KiB of memory, and the machine has %llu KiB left",
                (unsigned long long)vm->conf.memory >> 10,
                (unsigned long long)frame_get_stats().free << PAGE_SHIFT >> 10);
    vm_end(vm, GUEST_END_NO_MEMORY, 0, text);
}

void vm_create(struct vm *vm, const struct guest_conf *conf, const struct vm_files *files, u16 vpid)
{
    memset(vm, 0, sizeof(*vm));
    vm->conf = *conf;
    create_platform(vm);
    if (files->problem) {
        vm_end(vm, GUEST_END_BAD_IMAGE, 0, files->problem);
        return;
    }
    if (create_memory(vm)) {
        vm_destroy(vm);
        out_of_memory(vm);
        return;
    }
    if (vcpu_create(&vm->vcpu, vm, vm->memory, &ops, vpid)) {
        vm_destroy(vm);
        out_of_memory(vm);
        return;
    }
    vm->has_vcpu = true;
    load(vm, files);
}

/* ---- running -------------------------------------------------------------------------------------------------------- */

static void check_timeout(struct vm *vm)
{
    if (vm->runs && vm->conf.timeout_ms && vm_age_ns(vm) / 1000000 >= vm->conf.timeout_ms) {
        vcpu_end(&vm->vcpu, GUEST_END_TIMEOUT, 0, "it still ran after %llu ms",
                 (unsigned long long)vm->conf.timeout_ms);
    }
}

static void check_console(struct vm *vm)
{
    if (vm->runs) {
        guest_console_idle(&vm->console);
        if (vm->console.matched)
            vcpu_end(&vm->vcpu, GUEST_END_EXPECT_SEEN, 0, "the expected text came: \"%s\"", vm->conf.expect);
    }
}

void vm_run(void *argument)
{
    struct vm *vm = argument;

    while (vm->runs) {
        vcpu_run(&vm->vcpu, rdtsc() + environment.slice_ticks);
        check_console(vm);
        check_timeout(vm);
        if (vm->runs)
            task_yield();
    }
    guest_console_flush(&vm->console);
    vm->stats = vm_memory_get_stats(vm->memory);

    char words[CONF_NAME_SIZE + 16];
    vm_end_words(vm->end, vm->end_status, words, sizeof(words));
    log_line("%s: ended: %s: %s", vm->conf.name, words, vm->end_text);
}

void vm_destroy(struct vm *vm)
{
    if (vm->has_vcpu) {
        vcpu_destroy(&vm->vcpu);
        vm->has_vcpu = false;
    }
    if (vm->memory) {
        vm_memory_destroy(vm->memory);
        vm->memory = NULL;
    }
}

/* ---- the verdict ---------------------------------------------------------------------------------------------------- */

bool vm_as_expected(const struct vm *vm)
{
    return vm->end == (enum guest_end)vm->conf.expect_end &&
           (vm->end != GUEST_END_EXIT || vm->end_status == vm->conf.expect_status);
}

void vm_end_words(enum guest_end end, u32 status, char *to, size_t size)
{
    if (end == GUEST_END_EXIT)
        format_text(to, size, "%s %u", guest_end_names[end], status);
    else
        format_text(to, size, "%s", guest_end_names[end]);
}
