/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on one slot among many, by the number of slots, in mm/ and through /dev/kvm in turns. Slots are one page,
 * with room for another one after each, and nothing is mapped. Once the operations are on the same slot again and again, so
 * what they need is in the nearest cache; once on another slot each time, at random, so it is as far away as all slots
 * together are large.
 *
 *     slots.{same,any}.OPERATION.SLOTS.{slat,kvm,kvm_vcpu}     ns
 */
#include <stdlib.h>

#include "mm/vm.h"
#include "tests/bench/bench.h"
#include "tests/bench/kvm.h"
#include "tests/bench/port_bench.h"

enum {
    ABSENT = 4,   /* slots that are not there at any time: the next ones that are created */
    ROUNDS = 11,  /* samples of each figure */
    CYCLES = 200, /* of every operation in one round; the mean of the middle half is the sample */
    KVM_CYCLES = 20,
    LOOKUPS = 10000,
    FRAMES = 64 << 8, /* 64 MiB of RAM */
    FIRST = 1 << 20   /* gfn: above what KVM keeps for itself below 4 GiB */
};

enum operation { CREATE, DELETE, MOVE, FLAGS, OPERATIONS };
static const char *const names[OPERATIONS] = { "create", "delete", "move", "flags" };

/* Which slot is next. */
enum choice { SAME, ANY, CHOICES };
static const char *const choice_names[CHOICES] = { "same", "any" };

/* One of the memory cores that are compared, with a VM of `count` slots. */
struct side {
    const char *name;
    unsigned cycles;
    void (*create)(struct side *side, u32 id);
    void (*remove)(struct side *side, u32 id);
    void (*move)(struct side *side, u32 id);
    void (*set_flags)(struct side *side, u32 id);
    struct vm_memory *vm;
    struct backing *backing;
    struct kvm_vm kvm;
    unsigned count;
    u32 *ids;     /* first those that are there, then ABSENT that are not */
    bool *moved;  /* by id: it is in the second half of the guest's memory */
    bool *marked; /* by id: its flags are not 0 */
    enum choice choice;
    unsigned same; /* index in `ids` */
    struct series series[CHOICES][OPERATIONS], lookup[CHOICES];
};

static u64 gfn_of(const struct side *side, u32 id)
{
    u64 last = side->count + ABSENT - 1;

    /* Moved slots lie in the opposite order, in between. */
    return FIRST + 2 * (side->moved[id] ? last - id : id) + side->moved[id];
}

static void slat_create(struct side *side, u32 id)
{
    require(vm_memory_add_slot(side->vm, id, (gfn_t){ gfn_of(side, id) }, 1, side->backing, id, 0, LEVEL_1G) == 0);
}

static void slat_remove(struct side *side, u32 id)
{
    require(vm_memory_remove_slot(side->vm, id) == 0);
}

static void slat_move(struct side *side, u32 id)
{
    require(vm_memory_move_slot(side->vm, id, (gfn_t){ gfn_of(side, id) }) == 0);
}

static void slat_set_flags(struct side *side, u32 id)
{
    require(vm_memory_set_slot_flags(side->vm, id, side->marked[id] ? MEMSLOT_READ_ONLY : 0) == 0);
}

/* KVM sees itself what has changed. */
static void kvm_set(struct side *side, u32 id)
{
    kvm_set_slot(&side->kvm, id, gfn_of(side, id), side->marked[id]);
}

static void kvm_remove(struct side *side, u32 id)
{
    kvm_delete_slot(&side->kvm, id);
}

static void fill(struct side *side)
{
    unsigned all = side->count + ABSENT;

    side->ids = calloc(all, sizeof(*side->ids));
    side->moved = calloc(all, sizeof(*side->moved));
    side->marked = calloc(all, sizeof(*side->marked));
    require(side->ids != NULL && side->moved != NULL && side->marked != NULL);
    for (u32 i = 0; i < all; i++) {
        u64 other = random_below(i + 1);

        side->ids[i] = side->ids[other];
        side->ids[other] = i;
    }
    for (u32 i = 0; i < side->count; i++)
        side->create(side, side->ids[i]);
}

static void empty(struct side *side)
{
    free(side->ids);
    free(side->moved);
    free(side->marked);
}

static unsigned choose(const struct side *side)
{
    return side->choice == SAME ? side->same : (unsigned)random_below(side->count);
}

/* The oldest of those that are not there comes, and one of the others goes: or the same one. */
static void create_and_remove(struct side *side, double *create, double *remove)
{
    u32 *absent = side->ids + side->count;
    u32 *gone = side->choice == SAME ? absent : &side->ids[choose(side)];
    u32 created = absent[0], removed = *gone;

    side->marked[created] = false;
    u64 start = ticks_now();
    side->create(side, created);
    *create = ns_since(start);

    start = ticks_now();
    side->remove(side, removed);
    *remove = ns_since(start);

    if (gone == absent)
        return;
    for (unsigned i = 1; i < ABSENT; i++)
        absent[i - 1] = absent[i];
    absent[ABSENT - 1] = removed;
    *gone = created;
}

static double change(struct side *side, bool *what, void (*operation)(struct side *side, u32 id))
{
    u32 id = side->ids[choose(side)];

    what[id] = !what[id];
    u64 start = ticks_now();
    operation(side, id);
    return ns_since(start);
}

static void measure(struct side *side, enum choice choice)
{
    static double samples[OPERATIONS][CYCLES];

    side->choice = choice;
    side->same = (unsigned)random_below(side->count);
    for (unsigned i = 0; i < side->cycles; i++) {
        create_and_remove(side, &samples[CREATE][i], &samples[DELETE][i]);
        samples[MOVE][i] = change(side, side->moved, side->move);
        samples[FLAGS][i] = change(side, side->marked, side->set_flags);
    }
    for (unsigned i = 0; i < OPERATIONS; i++) {
        sort_values(samples[i], side->cycles);
        series_add(&side->series[choice][i], middle_mean(samples[i], side->cycles));
    }
}

static void measure_lookups(struct side *side, enum choice choice)
{
    static gfn_t gfns[LOOKUPS];

    for (unsigned i = 0; i < LOOKUPS; i++)
        gfns[i] = (gfn_t){ gfn_of(side, side->ids[choose(side)]) };

    u64 start = ticks_now();
    for (unsigned i = 0; i < LOOKUPS; i++) {
        struct memslot_set *set = memslots_read_begin(&side->vm->slots);

        require(memslots_find(set, gfns[i]) != NULL);
        memslots_read_end(set);
    }
    series_add(&side->lookup[choice], ns_since(start) / LOOKUPS);
}

static void print(struct side *side)
{
    for (enum choice choice = SAME; choice < CHOICES; choice++) {
        for (unsigned i = 0; i < OPERATIONS; i++)
            series_print(&side->series[choice][i], MEDIAN, "ns", "slots.%s.%s.%u.%s", choice_names[choice], names[i],
                         side->count, side->name);
        series_print(&side->lookup[choice], MEDIAN, "ns", "slots.%s.lookup.%u.%s", choice_names[choice], side->count,
                     side->name);
    }
}

static void compare(unsigned count)
{
    static struct side sides[3];
    unsigned used = kvm_slots() >= count + ABSENT ? 3 : 1;

    sides[0] = (struct side){ .name = "slat",
                              .cycles = CYCLES,
                              .create = slat_create,
                              .remove = slat_remove,
                              .move = slat_move,
                              .set_flags = slat_set_flags };
    for (unsigned i = 1; i < 3; i++)
        sides[i] = (struct side){ .name = i == 1 ? "kvm" : "kvm_vcpu",
                                  .cycles = KVM_CYCLES,
                                  .create = kvm_set,
                                  .remove = kvm_remove,
                                  .move = kvm_set,
                                  .set_flags = kvm_set };
    require(vm_memory_create(&sides[0].vm) == 0);
    require(backing_create(count + ABSENT, BACKING_ON_DEMAND, &sides[0].backing) == 0);
    for (unsigned i = 0; i < used; i++) {
        sides[i].count = count;
        if (i > 0)
            kvm_vm_create(&sides[i].kvm, count + ABSENT, i == 2);
        fill(&sides[i]);
    }

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (enum choice choice = SAME; choice < CHOICES; choice++) {
            for (unsigned i = 0; i < used; i++)
                measure(&sides[i], choice);
            measure_lookups(&sides[0], choice);
        }
    }

    for (unsigned i = 0; i < used; i++) {
        print(&sides[i]);
        if (i > 0)
            kvm_vm_destroy(&sides[i].kvm, count + ABSENT);
        empty(&sides[i]);
    }
    vm_memory_destroy(sides[0].vm);
    backing_put(sides[0].backing);
}

int main(void)
{
    static const unsigned counts[] = { 10, 100, 509, 8194, 32760 };

    bench_start();
    port_bench_start(FRAMES);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        compare(counts[i]);
    port_bench_stop();
    return 0;
}
