/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat that changes the memory of its guests all the time, for churn.t: linked in with --wrap, so that the hypervisor's own
 * code knows nothing of it. A task of its own does one operation of the memory core after the other, each chosen at random,
 * until every kind was done as often as wanted; then it tells the guests to end, and goes on until they have. The guests
 * are remember.elf: nothing that is done here may change what they see. They run on all processors meanwhile.
 */
#include "arch/x86/vcpu.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "hv/vm_list.h"
#include "mm/atomic.h"
#include "mm/audit.h"
#include "mm/invalidation.h"
#include "mm/port.h"
#include "mm/recover.h"
#include "mm/vm.h"
#include "tests/system/churning.h"

enum { AUDIT_EVERY = 20, KINDS = TABLE_KINDS + FRAME_KINDS + LOG_KINDS + SNAPSHOT_KINDS };

struct guest guests[GUEST_MAX];
unsigned guest_count;
static struct spinlock guests_lock; /* while one is added */
static unsigned guests_left, audits, violations, failures;
static u64 reclaimed, retried, lockless;

/* atomic: */
static unsigned turns, faults_in_flight, most_in_flight, faults_that_yielded, selections, wrong_vmcs;
static u32 calls_in_flight, audit_waits;
static u32 is_busy; /* somebody changes a guest's memory, or looks at it as a whole */
static u32 is_bulk;

u32 random_below(u64 below)
{
    static u64 state;
    u64 x = atomic_add(&state, 0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (u32)(((x >> 32) * below) >> 32);
}

/* Only while nobody audits all trees. */
static void begin_call(void)
{
    for (;;) {
        (void)atomic_add(&calls_in_flight, 1);
        if (!atomic_read(&audit_waits))
            return;
        (void)atomic_add(&calls_in_flight, (u32)-1);
        port_yield();
    }
}

static void end_call(void)
{
    (void)atomic_add(&calls_in_flight, (u32)-1);
}

static void begin_busy(void)
{
    while (atomic_xchg(&is_busy, 1))
        port_yield();
}

static void end_busy(void)
{
    atomic_write(&is_busy, 0);
}

/* ---- what is wrapped */

void __real_task_run_all(void);
void __wrap_task_run_all(void);
void __real_vcpu_run(struct vcpu *vcpu, u64 deadline);
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline);
enum fault_result __real_vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access);
enum fault_result __wrap_vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access);
int __real_backing_resolve(struct backing *backing, u64 page, enum level largest, bool write,
                           struct backing_page *found);
int __wrap_backing_resolve(struct backing *backing, u64 page, enum level largest, bool write,
                           struct backing_page *found);
void __real_invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end);
void __wrap_invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end);
unsigned __real_vm_memory_audit(struct vm_memory *vm);
unsigned __wrap_vm_memory_audit(struct vm_memory *vm);
void __real_vm_memory_destroy(struct vm_memory *vm);
void __wrap_vm_memory_destroy(struct vm_memory *vm);
void __real_snapshot_drop_all(struct vm_memory *vm);
void __wrap_snapshot_drop_all(struct vm_memory *vm);
int __real_vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                             struct recover_result *result);
int __wrap_vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                             struct recover_result *result);
u64 __real_vm_memory_recover_executed(struct vm_memory *vm, u64 max);
u64 __wrap_vm_memory_recover_executed(struct vm_memory *vm, u64 max);

static struct guest *guest_of(const struct vm_memory *vm)
{
    for (unsigned i = 0; i < atomic_read(&guest_count); i++) {
        if (atomic_read(&guests[i].vm) == vm)
            return &guests[i];
    }
    return NULL;
}

static struct guest *know(struct vcpu *vcpu)
{
    spin_lock(&guests_lock);
    struct guest *guest = guest_of(vcpu->memory);

    if (guest == NULL) {
        assert(guest_count < GUEST_MAX);
        guest = &guests[guest_count];
        guest->owner = vcpu->vm;
        atomic_write(&guest->vm, vcpu->memory);
        atomic_write(&guest_count, guest_count + 1);
        (void)atomic_add(&guests_left, 1);
    }
    spin_unlock(&guests_lock);
    atomic_write(&guest->vcpus[vcpu->number], vcpu);
    return guest;
}

/* Only a vCPU's own task selects its view. */
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline)
{
    struct guest *guest = know(vcpu);
    u32 wanted = atomic_read(&guest->wanted);

    (void)atomic_add(&turns, 1);
    if (wanted != guest->selected[vcpu->number]) {
        begin_call();
        if (vcpu_memory_select(&vcpu->mmu, wanted, mm_caps()->levels) == 0) {
            atomic_write(&guest->selected[vcpu->number], wanted);
            (void)atomic_add(&selections, 1);
        }
        end_call();
    }
    __real_vcpu_run(vcpu, deadline);
}

/* A fault that yields comes back with its own VMCS, whoever else had a fault meanwhile. */
enum fault_result __wrap_vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access)
{
    unsigned before = atomic_read(&turns), now = atomic_add(&faults_in_flight, 1) + 1;

    for (unsigned most = atomic_read(&most_in_flight); now > most && !atomic_cmpxchg(&most_in_flight, &most, now);)
        ;
    enum fault_result result = __real_vm_memory_fault(vcpu, gpa, access);
    (void)atomic_add(&faults_in_flight, (unsigned)-1);
    if (atomic_read(&turns) != before)
        (void)atomic_add(&faults_that_yielded, 1);
    if (!vcpu_is_current(container_of(vcpu, struct vcpu, mmu)) || vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS) != gpa.v)
        (void)atomic_add(&wrong_vmcs, 1);
    return result;
}

/* It may yield: what was found is often old before it is used. */
int __wrap_backing_resolve(struct backing *backing, u64 page, enum level largest, bool write,
                           struct backing_page *found)
{
    int error = __real_backing_resolve(backing, page, largest, write, found);

    for (u32 yields = !atomic_read(&is_bulk) && random_below(8) == 0 ? random_below(12) : 0; yields != 0; yields--)
        port_yield();
    return error;
}

/* Guests run while pages are being invalidated, as they do where there are other processors. */
void __wrap_invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end)
{
    __real_invalidation_begin(invalidation, backing, first, end);
    for (u32 yields = !atomic_read(&is_bulk) && random_below(4) == 0 ? random_below(4) : 0; yields != 0; yields--)
        port_yield();
}

/* Of a guest that ends: not while its memory is being changed. */
unsigned __wrap_vm_memory_audit(struct vm_memory *vm)
{
    begin_busy();
    unsigned found = __real_vm_memory_audit(vm);
    end_busy();
    return found;
}

void __wrap_vm_memory_destroy(struct vm_memory *vm)
{
    struct guest *guest = guest_of(vm);

    if (guest != NULL) {
        struct vm_memory_stats stats = vm_memory_get_stats(vm);

        reclaimed += stats.reclaimed;
        retried += stats.faults_retried;
        lockless += stats.faults_lockless;
    }
    begin_call();
    if (guest != NULL)
        forget_guest(guest);
    __real_vm_memory_destroy(vm);
    end_call();
    if (guest != NULL) {
        atomic_write(&guest->vm, NULL);
        (void)atomic_add(&guests_left, (unsigned)-1);
    }
}

void __wrap_snapshot_drop_all(struct vm_memory *vm)
{
    begin_call();
    __real_snapshot_drop_all(vm);
    end_call();
}

/* hv/background.c does these, too: between two of their steps tables wait for a flush. */
int __wrap_vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                             struct recover_result *result)
{
    begin_call();
    int error = __real_vm_memory_recover(vm, first, npages, how, budget, result);
    end_call();
    return error;
}

u64 __wrap_vm_memory_recover_executed(struct vm_memory *vm, u64 max)
{
    begin_call();
    u64 recovered = __real_vm_memory_recover_executed(vm, max);
    end_call();
    return recovered;
}

/* ---- the task */

int read_pages(struct vm_memory *vm, u64 page, u64 count, void *to)
{
    atomic_write(&is_bulk, 1);
    int error = vm_memory_read(vm, page_gpa(page), to, count * PAGE_SIZE);
    atomic_write(&is_bulk, 0);
    return error;
}

int write_pages(struct vm_memory *vm, u64 page, u64 count, const void *from)
{
    atomic_write(&is_bulk, 1);
    int error = vm_memory_write(vm, page_gpa(page), from, count * PAGE_SIZE);
    atomic_write(&is_bulk, 0);
    return error;
}

bool use_guest(const struct guest *guest)
{
    return vm_use(guest->owner);
}

void unuse_guest(const struct guest *guest)
{
    vm_unuse(guest->owner);
}

bool hold_guest(const struct guest *guest)
{
    if (!use_guest(guest))
        return false;
    vm_hold(guest->owner);
    return true;
}

void release_guest(const struct guest *guest)
{
    vm_release(guest->owner);
    unuse_guest(guest);
}

static struct kind *kind_at(unsigned i)
{
    if (i < TABLE_KINDS)
        return &table_kinds[i];
    i -= TABLE_KINDS;
    if (i < FRAME_KINDS)
        return &frame_kinds[i];
    i -= FRAME_KINDS;
    return i < LOG_KINDS ? &log_kinds[i] : &snapshot_kinds[i - LOG_KINDS];
}

/* How often it is still to be done. */
static unsigned left_to_do(const struct kind *kind)
{
    return kind->done < kind->wanted ? kind->wanted - kind->done : 0;
}

static bool is_satisfied(void)
{
    for (unsigned i = 0; i < KINDS; i++) {
        if (left_to_do(kind_at(i)) != 0)
            return false;
    }
    return true;
}

/* Most often what is still to be done most, but hardly anything never: some kinds need others. */
static struct kind *choose(void)
{
    enum { LEAST = 4 };
    unsigned parts[KINDS], all = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *kind = kind_at(i);

        parts[i] = (kind->is_dear && left_to_do(kind) == 0 ? 0 : LEAST) + left_to_do(kind);
        all += parts[i];
    }
    unsigned at = random_below(all), i = 0;
    for (; at >= parts[i]; i++)
        at -= parts[i];
    return kind_at(i);
}

static void operate(struct kind *kind, struct guest *guest, struct vm_memory *vm)
{
    int result = kind->operate(guest, vm);

    kind->done += result == 0;
    kind->declined += result == DECLINED;
    if (result < 0) {
        failures++;
        log_line("churn: %s failed: error %d", kind->name, -result);
    }
}

static void tell(struct guest *guest, struct vm_memory *vm)
{
    u32 word = 0;

    if (!guest->is_ready) {
        if (vm_memory_read(vm, (gpa_t){ MAIL_READY }, &word, sizeof(word)) == 0)
            guest->is_ready = word == REMEMBER_IS_READY;
    } else if (!guest->is_stopped && is_satisfied()) {
        word = 1;
        guest->is_stopped = vm_memory_write(vm, (gpa_t){ MAIL_STOP }, &word, sizeof(word)) == 0;
    }
}

/*
 * All trees, and who has each frame: while all guests are held, and no task is in the middle of something. Those that end go
 * by themselves.
 */
static void audit(void)
{
    bool held[GUEST_MAX] = { false };

    for (unsigned i = 0; i < guest_count; i++)
        held[i] = atomic_read(&guests[i].vm) != NULL && hold_guest(&guests[i]);
    atomic_write(&audit_waits, 1);
    while (atomic_read(&calls_in_flight) != 0)
        task_yield();
    violations += mm_audit();
    audits++;
    atomic_write(&audit_waits, 0);
    for (unsigned i = 0; i < guest_count; i++) {
        if (held[i])
            release_guest(&guests[i]);
    }
}

static void turn(void)
{
    static unsigned since_audit;
    struct guest *guest = &guests[random_below(guest_count)];
    struct vm_memory *vm = guest->vm;

    if (vm == NULL || !use_guest(guest))
        return;
    tell(guest, vm);
    /* While the guest fills its memory it is left more time. */
    if (guest->is_ready || random_below(8) == 0)
        operate(choose(), guest, vm);
    unuse_guest(guest);
    if (guest->is_ready && ++since_audit >= AUDIT_EVERY) {
        audit();
        since_audit = 0;
    }
}

static void report(void)
{
    unsigned operations = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind *kind = kind_at(i);

        operations += kind->done;
        log_line("churn: %s: %u done, %u declined", kind->name, kind->done, kind->declined);
    }
    log_line("churn: %u views selected, %llu tables reclaimed", selections, (unsigned long long)reclaimed);
    log_line("churn: %llu faults retried, %llu resolved without a lock", (unsigned long long)retried,
             (unsigned long long)lockless);
    log_line("churn: %u faults yielded, up to %u at once, %u came back to another VMCS", faults_that_yielded,
             most_in_flight, wrong_vmcs);
    log_line("churn: %u operations, %u failures; audit %u times, %u violations", operations, failures, audits,
             violations);
}

static void churn(void *argument)
{
    while (atomic_read(&guest_count) == 0)
        task_yield();
    while (atomic_read(&guests_left) != 0) {
        (void)atomic_add(&turns, 1);
        begin_busy();
        turn();
        end_busy();
        task_yield();
    }
    drop_clones();
    drop_copies();
    report();
}

void __wrap_task_run_all(void)
{
    struct task *task;

    if (task_create("churn", churn, NULL, 0, &task) != 0)
        failures++;
    __real_task_run_all();
}
