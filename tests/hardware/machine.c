/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/machine.h. */
#include "tests/hardware/machine.h"

#include <stdio.h>

#include "mm/dirty_log.h"
#include "tests/hardware/fiber.h"
#include "tests/hardware/frame_watch.h"
#include "tests/unit/mm_support.h"

/* Switches in a row in which nothing but waiting happened: then nobody will ever end it. */
#define MAX_WAITS 2000000

struct task {
    struct fiber *fiber;
    bool ended;
};

static struct processor {
    struct task tasks[MACHINE_TASKS];
    unsigned count, current;
    struct vm_memory *guest; /* NULL: in no guest, and not on the way into one */
    bool kicked;
} processors[MACHINE_PROCESSORS];

struct machine machine;
static u64 waits;

u64 machine_below(u64 limit)
{
    return random_below(&machine.seed, limit);
}

struct cpu *machine_cpu(void)
{
    return &machine.cpus[port_host_processor];
}

static struct processor *this_processor(void)
{
    return &processors[port_host_processor];
}

void machine_fail(const char *format, ...)
{
    if (machine.failure[0] == '\0') {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(machine.failure, sizeof(machine.failure), format, arguments);
        va_end(arguments);
    }
    /* Nobody runs any more: machine_run() has seen the failure. */
    while (fiber_current() != NULL)
        fiber_pause();
}

static void check(void)
{
    if (frame_watch_error() != NULL)
        machine_fail("%s", frame_watch_error());
}

void machine_pause(void)
{
    if (fiber_current() != NULL)
        fiber_pause();
}

static void next_task(void)
{
    struct processor *processor = this_processor();

    for (unsigned i = (unsigned)machine_below(processor->count), n = 0; n < processor->count; n++) {
        processor->current = (i + n) % processor->count;
        if (!processor->tasks[processor->current].ended)
            return;
    }
}

void machine_yield(void)
{
    if (fiber_current() == NULL)
        return;
    next_task();
    fiber_pause();
}

static void on_point(const void *word)
{
    if (fiber_current() == NULL || machine.quiet > 0 || machine.switch_one_in == 0)
        return;
    waits = 0;
    if (machine_below(machine.switch_one_in) == 0)
        fiber_pause();
}

static void on_wait(void)
{
    if (++waits > MAX_WAITS)
        machine_fail("a wait that never ends");
    if (fiber_current() == NULL)
        abort();
    fiber_pause();
}

static void on_yield(void)
{
    if (fiber_current() == NULL)
        return;
    next_task();
    on_wait();
}

static void on_kick(struct vm_memory *vm)
{
    for (unsigned i = 0; i < MACHINE_PROCESSORS; i++) {
        if (processors[i].guest == vm)
            processors[i].kicked = true;
    }
}

void machine_start(u64 frames, u64 seed, enum cpu_policy policy, const struct mm_caps *caps)
{
    /* frame_add() comes after: before it the watch knows no frame. */
    frame_watch_start(frames);
    port_host_start(frames);
    mm_init(caps);
    port_host.on_point = on_point;
    port_host.on_relax = on_wait;
    port_host.on_yield = on_yield;
    port_host.on_kick = on_kick;

    memset(processors, 0, sizeof(processors));
    memset(&machine, 0, sizeof(machine));
    machine.seed = seed * 0x9e3779b97f4a7c15ull | 1;
    machine.switch_one_in = 12;
    for (unsigned i = 0; i < MACHINE_PROCESSORS; i++)
        cpu_init(&machine.cpus[i], caps, policy, &machine.seed);
    port_host_processor = 0;
    waits = 0;
}

void machine_stop(void)
{
    for (unsigned i = 0; i < MACHINE_PROCESSORS; i++) {
        for (unsigned j = 0; j < processors[i].count; j++)
            fiber_destroy(processors[i].tasks[j].fiber);
    }
    port_host_processor = 0;
    struct frame_stats stats = frame_get_stats();
    if (stats.free + stats.retired != stats.total)
        machine_fail("%llu frames are lost: %llu control, %llu tables, %llu guests",
                     (unsigned long long)(stats.total - stats.retired - stats.free),
                     (unsigned long long)stats.used[FRAME_CONTROL], (unsigned long long)stats.used[FRAME_TABLE],
                     (unsigned long long)stats.used[FRAME_GUEST]);
    port_host_forget();
    frame_watch_stop();
}

void machine_add_task(unsigned number, void (*run)(void *argument), void *argument)
{
    struct processor *processor = &processors[number];

    if (processor->count == MACHINE_TASKS)
        abort();
    processor->tasks[processor->count++] = (struct task){ .fiber = fiber_create(run, argument) };
}

void machine_run(void)
{
    unsigned running = 0;

    for (unsigned i = 0; i < MACHINE_PROCESSORS; i++)
        running += processors[i].count;
    while (running > 0 && machine.failure[0] == '\0') {
        port_host_processor = (unsigned)machine_below(MACHINE_PROCESSORS);
        struct processor *processor = this_processor();
        struct task *task = &processor->tasks[processor->current];

        if (processor->count == 0 || task->ended)
            continue;
        machine.switches++;
        if (!fiber_run(task->fiber)) {
            task->ended = true;
            running--;
            next_task();
        }
        check();
    }
    port_host_processor = 0;
}

bool machine_enter(struct vcpu_memory *vcpu)
{
    struct processor *processor = this_processor();

    processor->kicked = false;
    processor->guest = vcpu->vm;
    struct vcpu_entry entry = vcpu_memory_enter(vcpu);
    if (entry.blocked) {
        vcpu_memory_leave(vcpu);
        processor->guest = NULL;
        return false;
    }
    if (entry.invept)
        cpu_invept(machine_cpu(), entry.root);
    machine_cpu()->logs = entry.log;
    cpu_enter(machine_cpu(), entry.root, entry.levels);
    return true;
}

void machine_leave(struct vcpu_memory *vcpu)
{
    struct cpu *cpu = machine_cpu();

    cpu_leave(cpu);
    if (cpu->logs)
        vm_memory_log_writes(vcpu, cpu->log, cpu->log_count);
    cpu->log_count = 0;
    vcpu_memory_leave(vcpu);
    this_processor()->guest = NULL;
}

bool machine_is_kicked(void)
{
    return this_processor()->kicked;
}

static void check_cpu(gfn_t gfn)
{
    struct cpu *cpu = machine_cpu();

    if (cpu->error != CPU_NO_ERROR)
        machine_fail("processor %u, gfn %#llx, root %#llx: %s", port_host_processor, (unsigned long long)gfn.v,
                     (unsigned long long)cpu->root.table.v, cpu_error_text(cpu->error));
}

enum cpu_result machine_access(gfn_t gfn, u32 access, pfn_t *frame)
{
    enum cpu_result result = cpu_access(machine_cpu(), gfn, access, frame);

    check_cpu(gfn);
    return result;
}

void machine_speculate(gfn_t gfn)
{
    cpu_speculate(machine_cpu(), gfn);
    check_cpu(gfn);
}
