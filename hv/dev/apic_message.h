/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An interrupt message between APICs: what the IOAPIC or a local APIC sends to local APICs. Source: SDM 11.6.1 (Interrupt
 * Command Register) and 11.10 (APIC bus message formats), 82093AA data sheet (redirection table).
 */
#ifndef HV_DEV_APIC_MESSAGE_H
#define HV_DEV_APIC_MESSAGE_H

#include "mm/types.h"

/* As in the delivery mode field of ICR, LVT and redirection entries. */
enum apic_mode {
    APIC_FIXED = 0,
    APIC_LOWEST = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};

/* As in the ICR. */
enum apic_shorthand { APIC_NO_SHORTHAND = 0, APIC_SELF = 1, APIC_ALL = 2, APIC_OTHERS = 3 };

/* Senders with 8 bits of destination write this for their 0xff. */
#define APIC_BROADCAST UINT32_MAX

struct apic_message {
    enum apic_mode mode;
    enum apic_shorthand shorthand;
    bool logical; /* how `destination` is understood; neither matters with a shorthand */
    bool level;   /* level-triggered: whoever takes it reports its end */
    u8 vector;
    u32 destination;
};

#endif
