/* SPDX-License-Identifier: BSD-2-Clause */
/* What is printed when all guests have ended: see report.h. */
#include "hv/report.h"

#include "arch/x86/vmcs_names.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"

static void table_row(const struct vm *vm, unsigned name_width)
{
    char words[VM_END_WORDS];
    u64 tenths = vm->end_ns / 100000; /* of a millisecond */

    vm_end_words(vm->end, vm->end_status, words);
    log_line("%-*s  %-18s %3s %9llu %10llu %7llu %7llu %5llu %7llu %8llu.%llu", (int)name_width, vm->conf.name, words,
             vm_as_expected(vm) ? "yes" : "NO", (unsigned long long)vm_exits(vm), (unsigned long long)vm->stats.faults,
             (unsigned long long)vm->stats.mapped[LEVEL_4K], (unsigned long long)vm->stats.mapped[LEVEL_2M],
             (unsigned long long)vm->stats.mapped[LEVEL_1G], (unsigned long long)vm->stats.tables,
             (unsigned long long)tenths / 10, (unsigned long long)tenths % 10);
}

static u64 exits_for(const struct vm *vm, unsigned reason)
{
    u64 exits = 0;

    for (unsigned i = 0; i < vm->processor_count; i++)
        exits += vm->processors[i]->vcpu.exits_by_reason[reason];
    return exits;
}

/* The most frequent exit reasons, most frequent first. */
static void exits_note(const struct vm *vm)
{
    enum { SHOWN = 6 };
    char text[200];
    size_t length = 0;
    u64 below = ~0ull;

    for (unsigned shown = 0; shown < SHOWN; shown++) {
        u64 most = 0;

        for (unsigned reason = 0; reason < EXIT_REASON_COUNT; reason++) {
            u64 count = exits_for(vm, reason);
            most = count < below && count > most ? count : most;
        }
        for (unsigned reason = 0; most && reason < EXIT_REASON_COUNT && length < sizeof(text); reason++) {
            if (exits_for(vm, reason) == most)
                length += (size_t)format_text(text + length, sizeof(text) - length, "%s%s %llu", length ? ", " : "",
                                              exit_reason_name(reason), (unsigned long long)most);
        }
        below = most;
    }
    if (length)
        log_line("  %s: exits: %s", vm->conf.name, text);
}

/* What the memory core did for the guest, as far as it did anything. */
static void memory_note(const struct vm *vm)
{
    const struct {
        u64 count;
        const char *what;
    } notes[] = {
        { vm->stats.splits, "splits" },
        { vm->stats.splits_for_execution, "of them for execution" },
        { vm->stats.collapses, "collapses" },
        { vm->stats.dirty, "dirty pages" },
        { vm->stats.faults_lockless, "faults resolved without a lock" },
        { vm->stats.faults_retried, "faults retried" },
    };
    char text[200];
    size_t length = 0;

    for (unsigned i = 0; i < sizeof(notes) / sizeof(notes[0]) && length < sizeof(text); i++) {
        if (notes[i].count)
            length += (size_t)format_text(text + length, sizeof(text) - length, "%s%llu %s", length ? ", " : "",
                                          (unsigned long long)notes[i].count, notes[i].what);
    }
    if (length)
        log_line("  %s: %s", vm->conf.name, text);
}

static void msrs_note(const struct vm *vm)
{
    const struct vcpu *first = NULL;
    u64 unknown = 0;

    for (unsigned i = 0; i < vm->processor_count; i++) {
        const struct vcpu *vcpu = &vm->processors[i]->vcpu;

        unknown += vcpu->unknown_msrs;
        first = first == NULL && vcpu->unknown_msrs ? vcpu : first;
    }
    if (first != NULL)
        log_line("  %s: %llu accesses to unknown MSRs, #GP each; the first: %#x", vm->conf.name,
                 (unsigned long long)unknown, (unsigned)first->first_unknown_msr);
}

/* Things that a person who wonders about a guest wants to know, and that have no column. */
static void table_notes(const struct vm *vm)
{
    const struct port_bus *bus = &vm->platform.bus;

    exits_note(vm);
    memory_note(vm);
    msrs_note(vm);
    if (bus->absent_seen) {
        log_line("  %s: %llu reads and %llu writes of absent ports; the first: %#x", vm->conf.name,
                 (unsigned long long)bus->absent_reads, (unsigned long long)bus->absent_writes,
                 (unsigned)bus->absent_first);
    }
    if (vm->console.dropped_bytes) {
        log_line("  %s: %llu bytes of console output beyond output-limit were not shown", vm->conf.name,
                 (unsigned long long)vm->console.dropped_bytes);
    }
}

static void tap_line(const struct vm *vm, unsigned number)
{
    char line[320], words[VM_END_WORDS], expected[VM_END_WORDS];
    int length;

    vm_end_words(vm->end, vm->end_status, words);
    if (vm_as_expected(vm)) {
        length = format_text(line, sizeof(line), "ok %u - %s: %s\n", number, vm->conf.name, words);
    } else {
        vm_end_words((enum guest_end)vm->conf.expect_end, vm->conf.expect_status, expected);
        length = format_text(line, sizeof(line), "not ok %u - %s: %s, expected %s\n", number, vm->conf.name, words,
                             expected);
    }
    log_raw(line, (size_t)length);
}

unsigned report_guests(struct vm *const *vms, unsigned count)
{
    unsigned name_width = 5, failed = 0;
    char plan[16];

    for (unsigned i = 0; i < count; i++) {
        unsigned length = (unsigned)strlen(vms[i]->conf.name);
        name_width = length > name_width ? length : name_width;
        failed += !vm_as_expected(vms[i]);
    }
    log_line("%-*s  %-18s %3s %9s %10s %7s %7s %5s %7s %10s", (int)name_width, "guest", "ended", "ok?", "exits",
             "EPT faults", "4K", "2M", "1G", "tables", "ms");
    for (unsigned i = 0; i < count; i++)
        table_row(vms[i], name_width);
    for (unsigned i = 0; i < count; i++)
        table_notes(vms[i]);
    log_raw(plan, (size_t)format_text(plan, sizeof(plan), "1..%u\n", count));
    for (unsigned i = 0; i < count; i++)
        tap_line(vms[i], i + 1);
    return failed;
}
