/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands about dirty logs: mm/dirty_log.h, as the user DIRTY_OPERATOR. */
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "mm/dirty_log.h"
#include "mm/dirty_ring.h"

static bool is_logged(const struct vm *vm)
{
    return vm->reported[0] != NULL;
}

static int fail_not_logged(struct monitor_call *call)
{
    return monitor_fail(call, -ENOENT, "it is not logged");
}

/* The first `count` slots. */
static int stop_slots(struct vm *vm, const struct vm_slot *slots, unsigned count)
{
    int error = 0;

    for (unsigned i = 0; i < count && !error; i++) {
        error = vm_memory_stop_log(vm->memory, slots[i].id, DIRTY_OPERATOR);
        if (!error) {
            page_set_destroy(vm->reported[i]);
            vm->reported[i] = NULL;
        }
    }
    return error;
}

static int start_slots(struct vm *vm, const struct vm_slot *slots, unsigned count, u32 flags)
{
    struct page_set *report;
    int error;

    for (unsigned i = 0; i < count; i++) {
        error = vm_memory_create_report(vm->memory, slots[i].id, &report);
        if (!error) {
            error = vm_memory_start_log(vm->memory, slots[i].id, DIRTY_OPERATOR, flags);
            if (error)
                page_set_destroy(report);
        }
        if (error) {
            (void)stop_slots(vm, slots, i);
            return error;
        }
        vm->reported[i] = report;
    }
    return 0;
}

int monitor_dirty_start(struct monitor_call *call)
{
    static const char *const words[] = { "lazy", "all", "manual", NULL };
    static const u32 bits[] = { DIRTY_LAZY, DIRTY_ALL_AT_FIRST, DIRTY_MANUAL };
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(call->vm->conf.memory, slots);
    u32 flags = 0;

    for (unsigned i = 0; i < call->count; i++) {
        unsigned word;
        int error = monitor_word(call, i, words, &word);

        if (error)
            return error;
        flags |= bits[word];
    }
    if (is_logged(call->vm))
        return monitor_fail(call, -EEXIST, "it is logged already");
    return monitor_finish(call, start_slots(call->vm, slots, count, flags));
}

/* Ranges of pages, as many in a line as it holds. */
struct ranges {
    struct monitor_call *call;
    unsigned lines;
    size_t length;
    char text[MONITOR_TEXT_SIZE - CONF_NAME_SIZE];
};

static void flush(struct ranges *ranges)
{
    if (ranges->length)
        monitor_say(ranges->call, "%s:%s", ranges->call->vm->conf.name, ranges->text);
    ranges->lines++;
    ranges->length = 0;
}

/* [first, end); false: it is enough. */
static bool put_range(struct ranges *ranges, u64 first, u64 end)
{
    enum { LONGEST = 40, MOST_LINES = 32 };

    if (sizeof(ranges->text) - ranges->length < LONGEST)
        flush(ranges);
    if (ranges->lines == MOST_LINES)
        return false;
    if (end - first == 1)
        ranges->length += (size_t)format_text(ranges->text + ranges->length, sizeof(ranges->text) - ranges->length,
                                              " %#llx", (unsigned long long)first);
    else
        ranges->length += (size_t)format_text(ranges->text + ranges->length, sizeof(ranges->text) - ranges->length,
                                              " %#llx-%#llx", (unsigned long long)first, (unsigned long long)end - 1);
    return true;
}

/* False: there were too many. */
static bool put_set(struct ranges *ranges, const struct page_set *set)
{
    u64 first = 0, end = 0; /* the range that may still grow */

    for (u64 word = page_set_next(set, 0); word != PAGE_SET_END; word = page_set_next(set, word + 1)) {
        for (u64 bits = page_set_get(set, word); bits; bits &= bits - 1) {
            u64 page = word * PAGE_SET_WORD + (u64)__builtin_ctzll(bits);

            if (page != end) {
                if (end && !put_range(ranges, first, end))
                    return false;
                first = page;
            }
            end = page + 1;
        }
    }
    return end == 0 || put_range(ranges, first, end);
}

static void say_pages(struct monitor_call *call, unsigned count)
{
    struct ranges ranges = { .call = call };
    bool all = true;

    for (unsigned i = 0; i < count && all; i++)
        all = put_set(&ranges, call->vm->reported[i]);
    flush(&ranges);
    if (!all)
        monitor_say(call, "%s: and more", call->vm->conf.name);
}

int monitor_dirty_harvest(struct monitor_call *call)
{
    static const char *const words[] = { "pages", NULL };
    struct vm *vm = call->vm;
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(vm->conf.memory, slots), word;
    int error = call->count ? monitor_word(call, 0, words, &word) : 0;
    u64 pages = 0;

    if (!error && !is_logged(vm))
        error = fail_not_logged(call);
    if (error)
        return error;
    for (unsigned i = 0; i < count; i++) {
        struct page_set *report;

        error = vm_memory_create_report(vm->memory, slots[i].id, &report);
        if (error)
            return monitor_finish(call, error);
        error = vm_memory_harvest(vm->memory, slots[i].id, DIRTY_OPERATOR, slots[i].base, slots[i].npages, report);
        page_set_destroy(vm->reported[i]);
        vm->reported[i] = report;
        if (error)
            return monitor_finish(call, error);
        pages += page_set_count(report);
    }
    call->context->number = pages;
    monitor_say(call, "%s: %llu pages are dirty", vm->conf.name, (unsigned long long)pages);
    if (call->count)
        say_pages(call, count);
    return 0;
}

int monitor_dirty_rearm(struct monitor_call *call)
{
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(call->vm->conf.memory, slots);
    int error = 0;

    if (!is_logged(call->vm))
        return fail_not_logged(call);
    for (unsigned i = 0; i < count && !error; i++)
        error = vm_memory_rearm(call->vm->memory, slots[i].id, DIRTY_OPERATOR, call->vm->reported[i]);
    return monitor_finish(call, error);
}

/* NULL: the words end here; `keep` is one more for `dirty stop`. */
const char *const monitor_recover_words[] = {
    [RECOVER_IN_PLACE] = "in-place", [RECOVER_COMPACT] = "compact", [RECOVER_LAZILY] = "lazily", NULL
};

int monitor_dirty_stop(struct monitor_call *call)
{
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(call->vm->conf.memory, slots), how = RECOVER_IN_PLACE;
    bool keep = call->count && strcmp(call->arguments[0], "keep") == 0;
    int error = call->count && !keep ? monitor_word(call, 0, monitor_recover_words, &how) : 0;

    if (!error && !is_logged(call->vm))
        error = fail_not_logged(call);
    if (error)
        return error;
    error = monitor_finish(call, stop_slots(call->vm, slots, count));
    call->vm->keeps_small_pages = keep;
    return error || keep ? error : monitor_recover(call, (enum recover_how)how);
}

/* A ring for each of the guest's processors, or for none. */
static int open_rings(struct vm *vm, u64 entries)
{
    for (unsigned i = 0; i < vm->processor_count; i++) {
        int error = vcpu_memory_open_ring(&vm->processors[i]->vcpu.mmu, entries);

        if (error) {
            while (i-- > 0)
                vcpu_memory_close_ring(&vm->processors[i]->vcpu.mmu);
            return error;
        }
    }
    return 0;
}

static void close_rings(struct vm *vm)
{
    for (unsigned i = 0; i < vm->processor_count; i++)
        vcpu_memory_close_ring(&vm->processors[i]->vcpu.mmu);
}

int monitor_dirty_ring(struct monitor_call *call)
{
    u64 entries;
    int error = monitor_number(call, 0, &entries);

    if (error)
        return error;
    vm_hold(call->vm);
    if (entries)
        error = open_rings(call->vm, entries);
    else
        close_rings(call->vm);
    vm_release(call->vm);
    if (error == -EINVAL)
        return monitor_fail(call, error, "%llu entries; allowed: 0, and powers of 2 from %u to %u",
                            (unsigned long long)entries, DIRTY_RING_MIN, DIRTY_RING_MAX);
    return error == -EEXIST ? monitor_fail(call, error, "it has a ring already") : monitor_finish(call, error);
}

int monitor_dirty_reap(struct monitor_call *call)
{
    struct vm *vm = call->vm;
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(vm->conf.memory, slots);
    struct page_set *report;
    u64 most, taken;
    int error = monitor_number(call, 0, &most);

    if (!error && !is_logged(vm))
        error = fail_not_logged(call);
    if (error)
        return error;
    error = page_set_create(0, slots[count - 1].base.v + slots[count - 1].npages, false, &report);
    if (error)
        return monitor_finish(call, error);
    taken = vm_memory_reap(vm->memory, DIRTY_OPERATOR, most, report);
    call->context->number = page_set_count(report);
    monitor_say(call, "%s: %llu entries, %llu pages are dirty", vm->conf.name, (unsigned long long)taken,
                (unsigned long long)call->context->number);
    page_set_destroy(report);
    return 0;
}
