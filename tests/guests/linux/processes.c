/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes, and on which processor they run. */
#include "tests/guests/linux/init.h"

#include <asm/signal.h>
#include <linux/mman.h>
#include <linux/sched.h>

enum { PROTECTION_READ_WRITE = 3 };

unsigned processors(void)
{
    u64 mask[16] = { 0 };
    unsigned count = 0;

    CALL_3(sched_getaffinity, 1, sizeof(mask), mask); /* of init itself, which may run everywhere */
    for (unsigned i = 0; i < 16 * 64; i++)
        count += mask[i / 64] >> i % 64 & 1;
    return count <= PROCESSORS_MAX ? count : PROCESSORS_MAX;
}

void run_on(unsigned processor)
{
    u64 mask = 1ull << processor;

    CALL_3(sched_setaffinity, 0, sizeof(mask), &mask);
}

void *shared_memory(size_t size)
{
    return (void *)CALL_6(mmap, NULL, size, PROTECTION_READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static long fork(void)
{
    return CALL_5(clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

unsigned on_each_processor(int (*function)(unsigned processor), unsigned each)
{
    long children[2 * PROCESSORS_MAX];
    unsigned online = processors(), count = online * each, failed = 0;

    for (unsigned i = 0; i < count; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            run_on(i % online);
            CALL_1(exit_group, function(i % online));
        }
    }
    for (unsigned i = 0; i < count; i++) {
        int status = -1;
        CALL_4(wait4, children[i], &status, 0, NULL);
        failed += status != 0;
    }
    return failed;
}

int child_signal(void (*function)(void))
{
    long child = fork();
    int status = 0;

    if (child == 0) {
        function();
        CALL_1(exit_group, 0);
    }
    CALL_4(wait4, child, &status, 0, NULL);
    return status & 0x7f;
}
