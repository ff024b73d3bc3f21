/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands that measure how fast a guest writes: mm/dirty_rate.h, mm/precopy.h. */
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "mm/dirty_rate.h"
#include "mm/precopy.h"

enum { RATE_METHODS = RATE_BY_LOG + 1 };

#define LONGEST_PERIOD_NS (600 * 1000 * 1000 * 1000ull)

static int period_argument(struct monitor_call *call, u64 *ns)
{
    int error = monitor_time(call, 0, ns);

    if (!error && (*ns == 0 || *ns > LONGEST_PERIOD_NS))
        error = monitor_fail(call, -EINVAL, "a period of %s; allowed: up to 10min", call->arguments[0]);
    return error;
}

/* RATE_METHODS: what the processor has. */
static int begin(struct monitor_call *call, unsigned method, bool small, struct dirty_rate *rate)
{
    enum rate_method first = method == RATE_METHODS ? RATE_BY_D_BITS : (enum rate_method)method;
    int error = dirty_rate_begin(call->vm->memory, first, small, rate);

    if (error == -ENOTSUP && method == RATE_METHODS)
        error = dirty_rate_begin(call->vm->memory, RATE_BY_LOG, small, rate);
    if (error == -ENOTSUP)
        return monitor_fail(call, error, "this processor has no D bits");
    return monitor_finish(call, error);
}

/* What was split to be measured becomes large again. */
static void end(struct monitor_call *call, struct dirty_rate *rate)
{
    struct recover_result result;

    dirty_rate_end(rate);
    if (!call->vm->keeps_small_pages)
        (void)vm_memory_recover(call->vm->memory, (gfn_t){ 0 }, ~0ull, RECOVER_IN_PLACE, 0, &result);
}

/*
 * One period of at least `ns`, and how long it was. 0; -ESRCH, -EINTR: the guest has ended, or the command shall; that
 * is said.
 */
static int sample(struct monitor_call *call, struct dirty_rate *rate, u64 *ns, struct dirty_sample *found)
{
    u64 start = vm_now_ns(), passed = 0, wanted = *ns;
    int error = 0;

    while (!error && passed < wanted) {
        error = __atomic_load_n(&call->vm->runs, __ATOMIC_ACQUIRE)
                    ? monitor_wait_step(call, wanted - passed)
                    : monitor_fail(call, -ESRCH, "the guest ended meanwhile");
        passed = vm_now_ns() - start;
    }
    *ns = passed;
    if (!error)
        dirty_rate_sample(rate, found);
    return error;
}

/* Pages in a time as pages per second; periods are so short that this fits. */
static u64 per_second(u64 pages, u64 ns)
{
    u64 us = ns / 1000 ? ns / 1000 : 1;

    return pages * 1000000 / us;
}

int monitor_dirty_rate(struct monitor_call *call)
{
    static const char *const words[] = { "d-bits", "log", "4K", NULL };
    unsigned method = RATE_METHODS;
    struct dirty_sample found;
    struct dirty_rate rate;
    bool small = false;
    u64 ns;
    int error = period_argument(call, &ns);

    for (unsigned i = 1; i < call->count && !error; i++) {
        unsigned word;

        error = monitor_word(call, i, words, &word);
        if (!error && word == 2)
            small = true;
        else if (!error)
            method = word == 0 ? RATE_BY_D_BITS : RATE_BY_LOG;
    }
    if (!error)
        error = begin(call, method, small, &rate);
    if (error)
        return error;
    error = sample(call, &rate, &ns, &found);
    end(call, &rate);
    if (error)
        return error;
    u64 pages = per_second(found.pages, ns);
    monitor_say(call, "%s: %s%llu pages in %llu us: %llu in a second, %llu KiB", call->vm->conf.name,
                found.leaves[LEVEL_2M] || found.leaves[LEVEL_1G] ? "at most " : "", (unsigned long long)found.pages,
                (unsigned long long)ns / 1000, (unsigned long long)pages,
                (unsigned long long)pages << (PAGE_SHIFT - 10));
    if (rate.method == RATE_BY_D_BITS)
        monitor_say(call, "%s: entries with D: 4K %llu, 2M %llu, 1G %llu%s", call->vm->conf.name,
                    (unsigned long long)found.leaves[LEVEL_4K], (unsigned long long)found.leaves[LEVEL_2M],
                    (unsigned long long)found.leaves[LEVEL_1G],
                    found.disturbed ? "; a dirty log was there, so it may be more" : "");
    call->context->number = found.pages;
    return 0;
}

static void say_forecast(struct monitor_call *call, const struct precopy_forecast *forecast)
{
    const char *name = call->vm->conf.name;

    if (forecast->converges)
        monitor_say(call, "%s: converges in %u rounds: %llu ms, %llu pages sent, stands still for %llu us", name,
                    forecast->rounds, (unsigned long long)forecast->time / 1000000, (unsigned long long)forecast->pages,
                    (unsigned long long)forecast->downtime / 1000);
    else if (forecast->downtime == PRECOPY_NEVER)
        monitor_say(call, "%s: does not converge, with no downtime", name);
    else
        monitor_say(call, "%s: does not converge; it would with a downtime of %llu us", name,
                    (unsigned long long)forecast->downtime / 1000);
    if (forecast->bandwidth)
        monitor_say(call, "%s: the least bandwidth that suffices is %llu KiB a second", name,
                    (unsigned long long)forecast->bandwidth >> 10);
    else
        monitor_say(call, "%s: no bandwidth suffices", name);
}

int monitor_dirty_forecast(struct monitor_call *call)
{
    struct precopy_input input = { .memory = call->vm->conf.memory >> PAGE_SHIFT };
    struct precopy_forecast forecast;
    struct dirty_sample first, second;
    struct dirty_rate rate;
    u64 ns, second_ns;
    int error = period_argument(call, &ns);

    if (!error)
        error = monitor_size(call, 1, &input.bandwidth);
    if (!error)
        error = monitor_time(call, 2, &input.downtime);
    if (!error)
        error = begin(call, RATE_METHODS, true, &rate);
    if (error)
        return error;
    error = sample(call, &rate, &ns, &first);
    second_ns = ns;
    if (!error)
        error = sample(call, &rate, &second_ns, &second);
    end(call, &rate);
    if (error)
        return error;
    input.period = ns / 2 + second_ns / 2;
    input.one = first.pages;
    input.both = first.pages + second.new_pages;
    precopy_forecast(&input, &forecast);
    monitor_say(call, "%s: %llu pages in %llu us, %llu in twice that", call->vm->conf.name,
                (unsigned long long)input.one, (unsigned long long)input.period / 1000, (unsigned long long)input.both);
    say_forecast(call, &forecast);
    call->context->number = forecast.converges;
    return 0;
}
