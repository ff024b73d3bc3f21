/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat whose processors have a lot to do besides guests, for processors.t: linked in with --wrap, so that the hypervisor's own
 * code knows nothing of it. On every processor tasks yield, sleep, wake and kick each other, take locks and frames, and pretend
 * to be guests that somebody interrupts. A wake or kick that is lost shows: nobody else ends that sleep, or it lasts too long.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/delay.h"
#include "arch/x86/host_timer.h"
#include "arch/x86/io.h"
#include "arch/x86/irq.h"
#include "arch/x86/processor.h"
#include "arch/x86/processor_start.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "mm/frame.h"
#include "mm/port.h"
#include "mm/spinlock.h"

enum { WORKERS = 3, ROUNDS = 400, PASSES = 300, FRAMES = 8, MOST = PROCESSOR_MAX, MOST_LATE_US = 300000 };
enum { GUEST_US = 40000, LEAVE_US = 5000 };

struct worker {
    struct task *task;
    unsigned processor, seed;
    struct worker *next; /* whom it passes the baton to */
    u32 baton;           /* atomic */
};

/* All of them, then one of each processor that passes a baton round. */
static struct worker workers[WORKERS * MOST], runners[MOST];
static unsigned worker_count, runner_count;
static struct spinlock lock;
static u64 guarded, guarded_too; /* lock */
static const struct vm_memory *const pretended = (const void *)&lock;
static u32 asking; /* atomic: how many want nobody to be in the pretended guest */
static u32 stays[MOST];
static u32 wrong_processor, broken_lock, broken_frame, late, slow_kicks, early, kicked, guest_stays, counted_turns,
    finished;
static u32 halts[MOST], ticks_here, ticks_elsewhere;

void __real_task_run_all(void);
void __wrap_task_run_all(void);
void __real_processor_halt_until(u64 tsc);
void __wrap_processor_halt_until(u64 tsc);

static void count(u32 *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static u32 random_below(struct worker *worker, u32 below)
{
    worker->seed = worker->seed * 1664525 + 1013904223;
    return (u32)(((u64)worker->seed * below) >> 32);
}

/* The PIT's channel 0, ISA line 0, a thousand times in a second. */
static void tick(void)
{
    count(this_processor()->number == 0 ? &ticks_here : &ticks_elsewhere);
}

static void start_clock(void)
{
    enum { PIT_COUNTER = 0x40, PIT_MODE = 0x43, RATE_GENERATOR = 0x34, DIVISOR = 1193 };

    io_write8(PIT_MODE, RATE_GENERATOR);
    io_write8(PIT_COUNTER, DIVISOR & 0xff);
    io_write8(PIT_COUNTER, DIVISOR >> 8);
    if (irq_route(0, tick))
        log_line("busy: the clock's interrupt cannot be routed");
}

void __wrap_processor_halt_until(u64 tsc)
{
    count(&halts[this_processor()->number]);
    __real_processor_halt_until(tsc);
}

/* Where it was before a switch to other tasks it is afterwards, too. */
static void check_processor(const struct worker *worker)
{
    struct processor *processor;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(processor));
    if (processor->number != worker->processor || task_self() != worker->task)
        count(&wrong_processor);
}

static void sleep_a_moment(struct worker *worker)
{
    u64 until = rdtsc() + delay_ticks(random_below(worker, 2000));

    task_sleep_until(until);
    u64 now = rdtsc();
    if (now < until)
        count(&early);
    else if (now - until > delay_ticks(MOST_LATE_US))
        count(&late);
}

static void take_lock(struct worker *worker)
{
    spin_lock(&lock);
    u64 before = guarded;
    for (u32 i = random_below(worker, 50); i; i--)
        cpu_pause();
    if (guarded != before || guarded_too != before)
        count(&broken_lock);
    guarded = guarded_too = before + 1;
    spin_unlock(&lock);
}

/* Nobody else has the frames that it has. */
static void take_frames(struct worker *worker)
{
    pfn_t frames[FRAMES];
    u64 mark = (u64)worker ^ rdtsc();

    for (unsigned i = 0; i < FRAMES; i++) {
        if (frame_alloc(i % 3, FRAME_CONTROL, &frames[i]))
            count(&broken_frame);
        *(u64 *)port_frame_address(frames[i]) = mark + i;
    }
    task_yield();
    for (unsigned i = 0; i < FRAMES; i++) {
        if (*(u64 *)port_frame_address(frames[i]) != mark + i)
            count(&broken_frame);
        frame_free(frames[i], i % 3, FRAME_CONTROL);
    }
}

/*
 * As a vCPU's run loop: what waits is looked at after the processor is known to be in a guest. With `whole_slice` it does not
 * care whose sleep ends meanwhile: then only a kick ends it soon.
 */
static void pretend_guest(bool whole_slice)
{
    struct processor *processor = this_processor();
    u64 end = rdtsc() + delay_ticks(GUEST_US), next = whole_slice ? end : task_next_wake();

    __atomic_store_n(&processor->guest, pretended, __ATOMIC_SEQ_CST);
    if (!task_should_yield() && host_timer_kind() != HOST_TIMER_NONE && !__atomic_load_n(&asking, __ATOMIC_SEQ_CST))
        __real_processor_halt_until(next < end ? next : end);
    __atomic_store_n(&processor->guest, NULL, __ATOMIC_SEQ_CST);
    count(&stays[processor->number]);
    count(&guest_stays);
}

/* All processors leave the pretended guest soon, as tlb.c wants it: no one that was in it needs its slice's end for that. */
static void ask_to_leave(void)
{
    u32 before[MOST];

    __atomic_fetch_add(&asking, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < processor_count(); i++)
        before[i] = __atomic_load_n(&stays[i], __ATOMIC_SEQ_CST);
    port_kick((struct vm_memory *)pretended);
    for (unsigned i = 0; i < processor_count(); i++) {
        struct processor *processor = processor_at(i);
        u64 start = rdtsc();

        while (processor != this_processor() && __atomic_load_n(&processor->guest, __ATOMIC_SEQ_CST) == pretended &&
               __atomic_load_n(&stays[i], __ATOMIC_SEQ_CST) == before[i]) {
            if (rdtsc() - start > delay_ticks(LEAVE_US)) {
                count(&slow_kicks);
                break;
            }
        }
    }
    __atomic_fetch_sub(&asking, 1, __ATOMIC_SEQ_CST);
}

static void work(void *argument)
{
    struct worker *worker = argument;

    for (unsigned round = 0; round < ROUNDS; round++) {
        switch (random_below(worker, 8)) {
        case 0:
            task_yield();
            break;
        case 1:
            sleep_a_moment(worker);
            break;
        case 2:
            task_wake(workers[random_below(worker, worker_count)].task);
            break;
        case 3:
            processor_kick(random_below(worker, processor_count()));
            count(&kicked);
            break;
        case 4:
            take_lock(worker);
            break;
        case 5:
            take_frames(worker);
            break;
        case 6:
            pretend_guest(random_below(worker, 2));
            break;
        default:
            ask_to_leave();
            break;
        }
        count(&counted_turns);
        check_processor(worker);
        if (round % 100 == 99)
            log_line("busy: round %3u of worker %3u, which is on processor %2u.", round + 1,
                     (unsigned)(worker - workers), worker->processor);
    }
    count(&finished);
}

/* Sleeps without end but for the one before it in the ring, who wakes it once. */
static void run_round(void *argument)
{
    struct worker *runner = argument;

    for (unsigned pass = 0; pass < PASSES; pass++) {
        while (!__atomic_exchange_n(&runner->baton, 0, __ATOMIC_ACQUIRE))
            task_sleep_until(TASK_NO_DEADLINE);
        check_processor(runner);
        __atomic_store_n(&runner->next->baton, 1, __ATOMIC_RELEASE);
        task_wake(runner->next->task);
    }
    count(&finished);
}

static struct worker *add(struct worker *list, unsigned *number, unsigned processor, void (*run)(void *),
                          const char *what)
{
    struct worker *worker = &list[*number];
    char name[32];

    format_text(name, sizeof name, "%s %u", what, *number);
    *worker = (struct worker){ .processor = processor, .seed = ++*number };
    if (task_create(name, run, worker, processor, &worker->task))
        log_line("busy: no memory");
    return worker;
}

static unsigned processors_that_halted(void)
{
    unsigned result = 0;

    for (unsigned i = 0; i < processor_count(); i++)
        result += halts[i] != 0;
    return result;
}

void __wrap_task_run_all(void)
{
    static const char *const timers[] = { "no timer", "a countdown", "TSC deadlines" };
    unsigned processors = processor_count();

    for (unsigned i = 0; i < processors; i++) {
        for (unsigned j = 0; j < WORKERS; j++)
            add(workers, &worker_count, i, work, "worker");
        add(runners, &runner_count, i, run_round, "runner");
    }
    for (unsigned i = 0; i < runner_count; i++)
        runners[i].next = &runners[(i + 1) % runner_count];
    runners[0].baton = 1;
    start_clock();

    __real_task_run_all();
    log_line("busy: %u tasks on %u processors ended, %u processors halted meanwhile, with %s", finished, processors,
             processors_that_halted(), timers[host_timer_kind()]);
    log_line("busy: %u turns, %u kicks, %u stays in a guest, %u sleeps ended early", counted_turns, kicked, guest_stays,
             early);
    log_line("busy: %u clock ticks on processor 0, %u on others", ticks_here, ticks_elsewhere);
    log_line("busy: %u times on the wrong processor, %u broken locks, %u broken frames, %u late, %u slow kicks, %s",
             wrong_processor, broken_lock, broken_frame, late, slow_kicks,
             guarded == guarded_too ? "locked data in order" : "LOCKED DATA BROKEN");
}
