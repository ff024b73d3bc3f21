/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/dirty_judge.h. */
#include "tests/explorer/dirty_judge.h"

#include <string.h>

#include "tests/unit/port_host.h"

struct judge_user judge_users[DIRTY_USERS];

void judge_owe(u64 gfn)
{
    u64 n = (gfn - SCENE_GFN) % SCENE_MOVED;

    for (unsigned i = 0; i < DIRTY_USERS && n < JUDGED; i++)
        judge_users[i].owed[n] = judge_users[i].owed[n] || judge_users[i].active;
}

static void wrote(u64 gpa)
{
    judge_owe(gpa >> 12);
}

/* One step: a write that comes after the report is not taken for one before it. */
static bool is_in(const struct page_set *set, u64 gfn)
{
    const struct page_set_chunk *chunk = set->chunks[gfn / PAGE_SET_CHUNK - set->first_chunk];

    return chunk == PAGE_SET_ALL || (chunk != NULL && (chunk->words[gfn / 64 % PAGE_SET_WORDS] >> gfn % 64 & 1) != 0);
}

void judge_settle(enum dirty_user user)
{
    for (unsigned n = 0; n < JUDGED; n++) {
        if (!is_in(judge_users[user].report, SCENE_GFN + n) &&
            !is_in(judge_users[user].report, SCENE_GFN + SCENE_MOVED + n))
            continue;
        judge_users[user].owed[n] = false;
        judge_users[user].reported[n]++;
    }
}

void judge_forget_report(enum dirty_user user)
{
    struct page_set_chunk *chunk = judge_users[user].report->chunks[0];

    if (chunk != NULL && chunk != PAGE_SET_ALL)
        memset(chunk, 0, sizeof(*chunk));
}

int judge_try_harvest(enum dirty_user user)
{
    judge_forget_report(user);
    int error = vm_memory_harvest(scene.vm, SCENE_SLOT, user, (gfn_t){ 0 }, ~0ull, judge_users[user].report);
    if (error == 0)
        judge_settle(user);
    return error;
}

void judge_harvest(enum dirty_user user)
{
    EXPECT(judge_try_harvest(user) == 0);
}

void judge_start_user(enum dirty_user user, u32 flags)
{
    EXPECT(vm_memory_start_log(scene.vm, SCENE_SLOT, user, flags) == 0);
    judge_users[user].active = true;
}

void judge_stop_user(enum dirty_user user)
{
    judge_users[user].active = false;
    memset(judge_users[user].owed, 0, sizeof(judge_users[user].owed));
    EXPECT(vm_memory_stop_log(scene.vm, SCENE_SLOT, user) == 0);
}

void judge_start_machine(bool logs)
{
    struct mm_caps caps = port_host_caps;

    caps.log_modifications = logs;
    mm_init(&caps);
}

void judge_guests(bool logs)
{
    for (unsigned i = 0; i < scene.guests; i++) {
        scene.guest[i].sets_bits = logs;
        scene.guest[i].wrote = wrote;
    }
    for (unsigned i = 0; i < DIRTY_USERS; i++)
        EXPECT(page_set_create(SCENE_GFN, SCENE_GFN + SCENE_MOVED + SCENE_PAGES, false, &judge_users[i].report) == 0);
}

/* Both guests have written page 0, guest 0 is still inside, and can write without anybody noticing. */
void judge_write_first(void)
{
    guest_store(&scene.guest[1], page(0) + 16, 1);
    guest_leave(&scene.guest[1]);
    guest_store(&scene.guest[0], page(0) + 8, 1);
    guest_leave(&scene.guest[0]);
    guest_store(&scene.guest[0], page(0) + 8, 1);
}

void judge_check(void)
{
    for (unsigned i = 0; i < scene.guests; i++)
        EXPECT(!scene.guest[i].inside);
    for (enum dirty_user user = 0; user < DIRTY_USERS; user++) {
        if (judge_users[user].active)
            judge_harvest(user);
        for (unsigned n = 0; n < JUDGED; n++) {
            if (judge_users[user].owed[n])
                explorer_fail("a write to page %u is lost to user %u", n, (unsigned)user);
        }
        page_set_destroy(judge_users[user].report);
    }
    scene_check();
}

void judge_write(unsigned guest)
{
    for (u64 value = 2; value <= 3; value++) {
        guest_store(&scene.guest[guest], page(0) + 8 * (guest + 1), value);
        guest_leave(&scene.guest[guest]);
    }
}
