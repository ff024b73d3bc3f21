/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See debugger.h. A vCPU that comes upon something says so in its own place, and stays out of the guest until it is let go: by
 * its is_stopped, which its task looks at as it looks at the VM's holds.
 */
#include "hv/debugger.h"

#include "arch/x86/cpu.h"
#include "arch/x86/debug.h"
#include "arch/x86/guest_walk.h"
#include "hv/lib/format.h"
#include "hv/monitor.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"
#include "mm/atomic.h"

static_assert((int)GDB_MAX_VCPUS >= (int)CONF_MAX_PROCESSORS && GDB_MAX_VCPUS <= 32, "a bit for each in a u32");

enum { SIGNAL_ABORT = 6 }; /* gdb's number */

static struct vm_processor *processor_of(const struct debugger *debugger, unsigned vcpu)
{
    return debugger->vm->processors[vcpu];
}

/* ---- stopping and going on */

static void stop_all(void *target)
{
    struct debugger *debugger = target;

    if (debugger->holds)
        return;
    vm_hold(debugger->vm);
    debugger->holds = true;
    debugger->held_since = rdtsc();
    atomic_write(&debugger->vm->clock_stands, 1);
}

/* The guest has no more and no less time for what it has to do than without a debugger. */
static void count_time(struct debugger *debugger)
{
    struct vm *vm = debugger->vm;

    if (vm->epoch != 0)
        vm->uncounted_ticks += rdtsc() - debugger->held_since;
    atomic_write(&vm->clock_stands, 0); /* pairs with the read in end_of_time() */
}

/* Its state is in memory, and its task is not in the guest. */
static void go(struct vm_processor *processor, bool step)
{
    struct vcpu *before = debug_borrow(&processor->vcpu);

    debug_go(&processor->vcpu, step);
    debug_give_back(&processor->vcpu, before);
    atomic_write(&processor->is_stopped, 0);
}

static void resume(void *target, const enum gdb_action actions[])
{
    struct debugger *debugger = target;

    for (unsigned i = 0; i < debugger->vm->processor_count; i++) {
        struct vm_processor *processor = processor_of(debugger, i);
        bool stays = actions[i] == GDB_HOLD || (atomic_read(&debugger->stopped) & 1u << i);

        if (stays)
            atomic_write(&processor->is_stopped, 1);
        else
            go(processor, actions[i] == GDB_STEP);
    }
    count_time(debugger);
    debugger->holds = false;
    vm_release(debugger->vm);
}

void debugger_let_go(struct debugger *debugger, unsigned vcpu)
{
    vm_hold(debugger->vm); /* it may be on its way out */
    go(processor_of(debugger, vcpu), false);
    vm_release(debugger->vm);
}

void debugger_attach(struct debugger *debugger, struct vm *vm)
{
    debugger->vm = vm;
    vm->debugger = debugger;
    for (unsigned i = 0; i < vm->processor_count; i++) {
        struct vcpu *vcpu = &vm->processors[i]->vcpu;
        struct vcpu *before = debug_borrow(vcpu);

        debug_attach(vcpu, true);
        debug_give_back(vcpu, before);
    }
    stop_all(debugger);
}

/* ---- what vCPUs come upon */

bool debugger_is_breakpoint(struct vcpu *vcpu, gpa_t gpa)
{
    const struct debugger *debugger = vcpu->vm->debugger;

    return debugger->has_breakpoint(gpa.v);
}

void debugger_stopped(struct vcpu *vcpu, enum debug_stop why, u8 slots)
{
    static const enum gdb_stop_reason reasons[] = {
        [DEBUG_STOP_BREAKPOINT] = GDB_STOP_BREAKPOINT,
        [DEBUG_STOP_SLOTS] = GDB_STOP_SLOTS,
        [DEBUG_STOP_STEP] = GDB_STOP_STEP,
    };
    struct debugger *debugger = vcpu->vm->debugger;
    unsigned number = vcpu->number;

    debugger->stops[number] = (struct gdb_stop){ .reason = reasons[why], .vcpu = number, .slots = slots };
    atomic_write(&vm_processor_of(vcpu)->is_stopped, 1);
    (void)atomic_or(&debugger->stopped, 1u << number); /* pairs with the read in debugger_take() */
    atomic_or(&vcpu->requests, REQUEST_LEAVE);
    task_wake(debugger->task);
}

bool debugger_take(struct debugger *debugger, struct gdb_stop *stop)
{
    u32 stopped = atomic_read(&debugger->stopped);

    if (stopped == 0)
        return false;
    unsigned number = (unsigned)__builtin_ctz(stopped);
    *stop = debugger->stops[number];
    (void)atomic_and(&debugger->stopped, ~(1u << number));
    return true;
}

struct gdb_stop debugger_end(const struct debugger *debugger)
{
    const struct vm *vm = debugger->vm;
    bool exited = vm->end == GUEST_END_EXIT;

    return (struct gdb_stop){
        .reason = GDB_STOP_ENDED,
        .exited = exited,
        .code = exited ? (u8)vm->end_status : SIGNAL_ABORT,
        .text = vm->end_text,
    };
}

/* ---- memory */

static int translate(void *target, unsigned vcpu_number, u64 linear, u64 *physical)
{
    struct vcpu *vcpu = &processor_of(target, vcpu_number)->vcpu;
    struct vcpu *before = debug_borrow(vcpu);
    gpa_t gpa;
    int error = guest_linear_look(vcpu, linear, &gpa);

    debug_give_back(vcpu, before);
    if (!error)
        *physical = gpa.v;
    return error;
}

static int read_physical(void *target, u64 physical, void *data, size_t size)
{
    const struct debugger *debugger = target;

    return vm_memory_read(debugger->vm->memory, (gpa_t){ physical }, data, size);
}

static int write_physical(void *target, u64 physical, const void *data, size_t size)
{
    const struct debugger *debugger = target;

    return vm_memory_write(debugger->vm->memory, (gpa_t){ physical }, data, size);
}

/* ---- debug registers: SDM vol. 3, 19.2.4 "Debug Control Register (DR7)" */

static u64 dr7_of_slot(unsigned number, const struct gdb_debug_slot *slot)
{
    u64 kind = slot->kind == GDB_SLOT_EXECUTE ? 0 : slot->kind == GDB_SLOT_WRITE ? 1 : 3;
    u64 length = slot->length == 8 ? 2 : slot->length - 1;

    return 2ull << 2 * number | kind << (16 + 4 * number) | length << (18 + 4 * number);
}

static int set_debug_slots(void *target, const struct gdb_debug_slot slots[GDB_DEBUG_SLOTS])
{
    const struct debugger *debugger = target;
    struct debug_slots registers = { .dr7 = DR7_RESET };

    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++) {
        if (slots[i].kind == GDB_SLOT_FREE)
            continue;
        registers.used |= (u8)(1u << i);
        registers.address[i] = slots[i].linear;
        registers.dr7 |= dr7_of_slot(i, &slots[i]);
    }
    for (unsigned i = 0; i < debugger->vm->processor_count; i++) {
        struct vcpu *vcpu = &processor_of(debugger, i)->vcpu;
        struct vcpu *before = debug_borrow(vcpu);

        debug_set_slots(vcpu, &registers);
        debug_give_back(vcpu, before);
    }
    return 0;
}

/* ---- the rest */

static void describe(void *target, unsigned vcpu, char *text, size_t size)
{
    static const char *const words[] = {
        [VCPU_ACTIVE] = "running",
        [VCPU_HALTED] = "halted",
        [VCPU_WAITS_FOR_SIPI] = "waits for SIPI",
    };

    format_text(text, size, "%s", words[processor_of(target, vcpu)->vcpu.activity]);
}

static void monitor(void *target, const char *line, void (*print)(void *argument, const char *text), void *argument)
{
    const struct debugger *debugger = target;
    struct monitor_context context = { .print = print, .argument = argument, .cancelled = debugger->is_interrupted };

    (void)monitor_execute(line, &context); /* what went wrong has been printed */
}

static void kill(void *target)
{
    const struct debugger *debugger = target;

    vm_stop(debugger->vm, "gdb killed it");
}

const struct gdb_target_ops debugger_ops = {
    .stop_all = stop_all,
    .resume = resume,
    .get_registers = debugger_get_registers,
    .set_registers = debugger_set_registers,
    .translate = translate,
    .read_physical = read_physical,
    .write_physical = write_physical,
    .set_debug_slots = set_debug_slots,
    .describe = describe,
    .monitor = monitor,
    .kill = kill,
};
