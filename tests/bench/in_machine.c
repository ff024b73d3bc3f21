/* SPDX-License-Identifier: BSD-2-Clause */
/* See in_machine.h: the task, the clock, the mail. */
#include "tests/bench/in_machine.h"

#include "arch/x86/panic.h"
#include "arch/x86/vcpu.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/task.h"
#include "hv/vm.h"

enum { MANY = 1024 };

static struct vm_memory *vm;
static const char *name, *profiled;
static bool alone;
static u32 order;
static u64 start;
static u32 marked; /* of what is measured next so many are between marks */
static void (*sampler)(void);
static u64 period, next_sample;

void __real_task_run_all(void);
void __wrap_task_run_all(void);
void __real_task_yield(void);
void __wrap_task_yield(void);
void __real_vcpu_run(struct vcpu *vcpu, u64 deadline);
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline);

static void sample(void)
{
    if (sampler == NULL || alone || bench_ticks() < next_sample)
        return;
    sampler();
    next_sample = bench_ticks() + period;
}

void __wrap_task_yield(void)
{
    if (alone)
        return;
    sample();
    __real_task_yield();
}

void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline)
{
    name = vcpu->vm->conf.name;
    profiled = vcpu->vm->conf.cmdline;
    vm = vcpu->memory;
    __real_vcpu_run(vcpu, sampler != NULL && next_sample < deadline ? next_sample : deadline);
    sample();
}

u64 bench_ticks(void)
{
    u32 low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

/* How often it has been asked. */
static unsigned times(const char *what)
{
    static struct {
        const char *what;
        unsigned times;
    } figures[40];
    unsigned i = 0;

    while (figures[i].what != NULL && strcmp(figures[i].what, what) != 0)
        bench_expect(++i < sizeof(figures) / sizeof(figures[0]), "there is room for the names of the figures");
    figures[i].what = what;
    return ++figures[i].times;
}

void bench_profile(const char *what, u32 count)
{
    static const char key[] = "profile=";
    const char *wanted = profiled + sizeof(key) - 1;

    if (memcmp(profiled, key, sizeof(key) - 1) != 0 || (strcmp(wanted, what) != 0 && strcmp(wanted, "all") != 0))
        return;
    if (times(what) > (count > MANY ? 1 : 2))
        return;
    marked = count;
    log_line("bench: profile %s %u", what, count);
}

void bench_begin(void)
{
    alone = true;
    if (marked)
        bench_mark();
    start = bench_ticks();
}

void bench_sample(void (*take)(void), u64 every)
{
    sampler = take;
    period = every;
}

u64 bench_end(void)
{
    u64 taken = bench_ticks() - start;

    if (marked)
        bench_mark();
    marked = 0;
    alone = false;
    return taken;
}

void bench_result(const char *what, u64 taken, u64 count)
{
    u64 hundredths = (taken * 100 + count / 2) / count;

    log_line("bench: %s %llu.%02llu", what, (unsigned long long)hundredths / 100, (unsigned long long)hundredths % 100);
}

void bench_result_at(const char *what, u64 at, u64 taken, u64 count)
{
    char figure[64];

    format_text(figure, sizeof(figure), "%s.%llu", what, (unsigned long long)at);
    bench_result(figure, taken, count);
}

void bench_expect(bool holds, const char *what)
{
    if (!holds)
        panic("bench: FAILED: %s", what);
}

u32 bench_get(u32 at)
{
    u32 word = 0;

    bench_expect(vm_memory_read(vm, (gpa_t){ at }, &word, sizeof(word)) == 0, "read the mail");
    return word;
}

void bench_put(u32 at, u32 word)
{
    bench_expect(vm_memory_write(vm, (gpa_t){ at }, &word, sizeof(word)) == 0, "write the mail");
}

u32 bench_last_order(void)
{
    return order;
}

u64 bench_order(enum bench_work work, u32 count)
{
    bench_put(BENCH_WORK, work);
    bench_put(BENCH_COUNT, count);
    bench_put(BENCH_MARK, marked);
    marked = 0;
    bench_put(BENCH_ORDER, ++order);
    while (bench_get(BENCH_DONE) != order)
        task_yield();
    return bench_get(BENCH_TICKS);
}

u64 bench_write(u64 first, u32 step, u32 count)
{
    bench_put(BENCH_FIRST, (u32)first);
    bench_put(BENCH_STEP, step);
    return bench_order(BENCH_WRITE, count);
}

static void bench(void *argument)
{
    static const struct {
        const char *name;
        void (*run)(struct vm_memory *vm);
    } parts[] = {
        { "exits", bench_exits }, { "memory", bench_memory }, { "dirty", bench_dirty }, { "slots", bench_slots },
        { "pages", bench_pages }, { "sizes", bench_sizes },   { "map", bench_map },
    };
    enum { COUNT = sizeof(parts) / sizeof(parts[0]) };
    unsigned part = 0;

    while (vm == NULL || bench_get(BENCH_READY) == 0)
        task_yield();
    while (part < COUNT && memcmp(name, parts[part].name, strlen(parts[part].name)) != 0)
        part++;
    bench_expect(part < COUNT, "the guest has the name of a benchmark");
    parts[part].run(vm);
    bench_put(BENCH_ORDER, (u32)BENCH_STOP);
    log_line("bench: done");
}

void __wrap_task_run_all(void)
{
    struct task *task;
    bench_expect(task_create("bench", bench, NULL, 0, &task) == 0, "make a task");
    __real_task_run_all();
}
