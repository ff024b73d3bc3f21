/* SPDX-License-Identifier: BSD-2-Clause */
/* How the benchmarks inside the machine (tests/bench/in_machine.c) tell write_pass.c what to write. */
#ifndef GUEST_STUBS_WRITE_PASS_H
#define GUEST_STUBS_WRITE_PASS_H

/* Words that guest and host tell each other. */
enum {
    PASS_MAIL = 2 << 20,
    PASS_READY = PASS_MAIL,      /* the guest's: 1 when it looks for orders */
    PASS_ORDER = PASS_MAIL + 4,  /* the host's: the number of the pass that is wanted; PASS_STOP ends the guest */
    PASS_FIRST = PASS_MAIL + 8,  /* the host's: the address of the first page, */
    PASS_END = PASS_MAIL + 12,   /* and of the first that is not written any more */
    PASS_DONE = PASS_MAIL + 16,  /* the guest's: the number of the pass that is done, */
    PASS_TICKS = PASS_MAIL + 20, /* and how many ticks of the TSC it took */
    PASS_LOWEST = 4 << 20,       /* of PASS_FIRST */
    PASS_STOP = -1,
};

#endif
