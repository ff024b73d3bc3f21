/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands about a guest's memory: what is mapped, and taking it away and apart. */
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "mm/recover.h"
#include "mm/survey.h"

static const char *const level_names[] = { "", "4K", "2M", "1G", "512G", "256T" };

int monitor_ept(struct monitor_call *call)
{
    struct table_survey survey;

    vm_memory_survey_tables(call->vm->memory, &survey);
    for (enum level level = LEVEL_256T; level >= LEVEL_4K; level--) {
        char leaves[100] = "";

        if (survey.tables[level] == 0)
            continue;
        if (level <= LEVEL_1G)
            format_text(leaves, sizeof(leaves), ", %llu pages: %llu read-only, %llu with D",
                        (unsigned long long)survey.leaves[level], (unsigned long long)survey.read_only[level],
                        (unsigned long long)survey.dirty[level]);
        monitor_say(call, "%s: %4s: %llu tables%s", call->vm->conf.name, level_names[level],
                    (unsigned long long)survey.tables[level], leaves);
    }
    return 0;
}

/* What a region looks like: the size of its pages, small ones first, as a capital letter if some is dirty. */
static char picture(const struct region_survey *survey)
{
    char small = survey->mapped[LEVEL_4K] ? 'k' : survey->mapped[LEVEL_2M] ? 'm' : survey->mapped[LEVEL_1G] ? 'g' : '.';

    if (survey->shared)
        return survey->dirty ? '#' : '=';
    if (small == '.')
        return survey->dirty ? ':' : '.';
    return survey->dirty ? (char)(small - 'a' + 'A') : small;
}

/* So many pages that the whole memory fits a page of text. */
static u64 pages_per_character(u64 pages)
{
    enum { MOST = 1024 };
    u64 step = level_pages(LEVEL_2M);

    while (pages / step > MOST)
        step *= 2;
    return step;
}

static void map_slot(struct monitor_call *call, const struct vm_slot *slot, u64 step)
{
    enum { IN_A_LINE = 64 };
    u64 end = slot->base.v + slot->npages;

    for (u64 at = slot->base.v; at < end && !monitor_is_cancelled(call);) {
        char line[IN_A_LINE + 1];
        u64 line_start = at;
        unsigned length = 0;

        for (; length < IN_A_LINE && at < end; at += step) {
            struct region_survey survey;

            vm_memory_survey_region(call->vm->memory, (gfn_t){ at }, step < end - at ? step : end - at, &survey);
            line[length++] = picture(&survey);
        }
        line[length] = '\0';
        monitor_say(call, "%#10llx %s", (unsigned long long)line_start << PAGE_SHIFT, line);
    }
}

int monitor_map(struct monitor_call *call)
{
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(call->vm->conf.memory, slots);
    u64 step = pages_per_character(call->vm->conf.memory >> PAGE_SHIFT);

    monitor_say(
        call,
        "%s: a character is %lluM: k 4K pages, m 2M, g 1G, . nothing mapped; capital or : dirty; = shared, # dirty",
        call->vm->conf.name, (unsigned long long)step >> (20 - PAGE_SHIFT));
    for (unsigned i = 0; i < count; i++)
        map_slot(call, &slots[i], step);
    return 0;
}

int monitor_balloon(struct monitor_call *call)
{
    gfn_t first;
    u64 count;
    int error = monitor_pages(call, 0, &first, &count);

    return error ? error : monitor_finish(call, vm_memory_balloon(call->vm->memory, first, count));
}

int monitor_zap(struct monitor_call *call)
{
    gfn_t first;
    u64 count;
    int error = monitor_pages(call, 0, &first, &count);

    if (!error)
        vm_memory_zap(call->vm->memory, first, count);
    return error;
}

int monitor_split(struct monitor_call *call)
{
    gfn_t first;
    u64 count;
    int error = monitor_pages(call, 0, &first, &count);

    return error ? error : monitor_finish(call, vm_memory_split(call->vm->memory, first, count, LEVEL_4K));
}

int monitor_recover(struct monitor_call *call, enum recover_how how)
{
    enum { BUDGET = 512 }; /* regions of 2M that are copied at most */
    struct recover_result sum;

    call->vm->keeps_small_pages = false;
    int error = vm_memory_recover(call->vm->memory, (gfn_t){ 0 }, ~0ull, how, BUDGET, &sum);
    if (error)
        return monitor_finish(call, error);
    u64 others = sum.changing + sum.different + sum.executed;
    monitor_say(call, "%s: %llu tables became large pages; %llu regions compacted, %llu unmapped", call->vm->conf.name,
                (unsigned long long)sum.collapsed, (unsigned long long)sum.compacted, (unsigned long long)sum.dropped);
    monitor_say(call,
                "%s: in small pages stay %llu regions that are logged, %llu scattered, %llu shared, %llu at edges, "
                "%llu others",
                call->vm->conf.name, (unsigned long long)sum.logged, (unsigned long long)sum.scattered,
                (unsigned long long)sum.shared, (unsigned long long)sum.edges, (unsigned long long)others);
    call->context->number = sum.collapsed;
    return 0;
}

int monitor_collapse(struct monitor_call *call)
{
    unsigned how = RECOVER_IN_PLACE;
    int error = call->count ? monitor_word(call, 0, monitor_recover_words, &how) : 0;

    return error ? error : monitor_recover(call, (enum recover_how)how);
}
