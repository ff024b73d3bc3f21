/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of a guest's processor: xAPIC by MMIO, x2APIC by MSRs, timer, interrupts, messages. Source: SDM chapter 11;
 * what the processor itself does with the same page under "APIC virtualization": SDM chapter 31.
 *
 * The registers are in the page and nowhere else: a processor with APIC-register virtualization and virtual-interrupt delivery
 * reads and writes them there. Cached is only what the timer needs, and that follows every write, by lapic_wrote() as well.
 *
 * A local APIC belongs to the task of its vCPU, the owner: every function is the owner's, except where it says "from any
 * processor". Others post interrupts and events by atomic operations; the owner takes them with lapic_collect() and
 * lapic_take_events(). They come into IRR by lapic_collect() only, even the owner's own (timer, error, self IPI).
 *
 * `now` is the host's TSC. Every function's work is bounded, whatever the guest has written.
 *
 * Not offered: remote read, focus processors, arbitration priority (APR and RRD read as 0, as on all processors since the
 * Pentium 4), suppression of EOI broadcasts, CMCI, moving the page, changing the ID.
 */
#ifndef HV_DEV_LAPIC_H
#define HV_DEV_LAPIC_H

#include "hv/dev/apic_message.h"
#include "hv/dev/lapic_registers.h"

#define LAPIC_DEFAULT_BASE 0xfee00000ull
#define LAPIC_NEVER        UINT64_MAX

enum { LAPIC_NO_VECTOR = -1, LAPIC_PAGE_WORDS = 1024 };

struct lapic_ops {
    /* The guest sends an IPI; never with the shorthand "self". Usually this calls apic_deliver(). */
    void (*send)(void *context, const struct apic_message *message);
    /* A level-triggered interrupt has been ended: the IOAPIC wants to know. */
    void (*eoi)(void *context, u8 vector);
};

struct lapic_timer {
    u32 lvt;      /* the LVT entry, and */
    u32 initial;  /* the initial count that `fires` is computed from */
    u32 count;    /* the current count at `from`; 0: it does not run */
    u8 shift;     /* log2 of TSC ticks per count */
    u64 from;     /* host TSC */
    u64 deadline; /* IA32_TSC_DEADLINE, in the guest's TSC; 0: disarmed */
    u64 fires;    /* host TSC, or LAPIC_NEVER */
};

struct lapic {
    /* set once: */
    u32 *page;
    u32 id;
    u8 bus_shift;
    const struct lapic_ops *ops;
    void *context;

    /* written by the owner, read by any processor: */
    u64 base;

    /* written by any processor: */
    u32 posted[8];       /* interrupts on their way into IRR */
    u32 posted_level[8]; /* their trigger mode */
    u32 posted_errors;
    u32 events;
    u32 attention; /* what of the above the owner has to look at */

    /* owner only: */
    u64 tsc_offset; /* guest TSC = host TSC + this */
    u32 errors;     /* since the last write of ESR, which shows them */
    u32 changed;    /* LAPIC_CHANGED_…, until lapic_collect() has told */
    struct lapic_timer timer;
};

/*
 * `page` is 4 KiB aligned to 4 KiB, and cleared here. `id` is below 255. The timer's bus clock is TSC >> bus_shift. It starts
 * as after power-up: enabled in xAPIC mode, disabled by software.
 */
void lapic_init(struct lapic *lapic, u32 *page, u32 id, bool is_bsp, u8 bus_shift, const struct lapic_ops *ops,
                void *context);

/* INIT: mode, ID, and the events posted since stay (SDM 11.4.7.3, 11.12.5.1). */
void lapic_reset(struct lapic *lapic);

/* As a PC's firmware leaves the first processor's: software-enabled, LINT0 = ExtINT, LINT1 = NMI. */
void lapic_virtual_wire(struct lapic *lapic);

/* What a snapshot keeps. The time goes on: a timer that has come due in between fires once. */
struct lapic_state {
    u32 page[LAPIC_PAGE_WORDS];
    u64 base;
    u32 errors, events;
    struct lapic_timer timer;
};
void lapic_save(struct lapic *lapic, struct lapic_state *state);
void lapic_restore(struct lapic *lapic, const struct lapic_state *state, u64 now);

/* ---- registers: hv/dev/lapic_access.c ---- */

/* Whether the page at LAPIC_DEFAULT_BASE is there at all. Without it reads give all ones and writes do nothing. */
bool lapic_has_mmio(const struct lapic *lapic);

/*
 * `offset` is below 4096, `size` is 1, 2, 4 or 8. Only aligned 32-bit accesses are defined (SDM 11.4.1). Of others, reads
 * give the bytes of the register and 0 for those behind it, and writes are ignored. A read can post an interrupt, as a write
 * can: of the timer that has come due, or for the error that it is. lapic_needs_attention() tells.
 */
u64 lapic_mmio_read(struct lapic *lapic, u32 offset, unsigned size, u64 now);
void lapic_mmio_write(struct lapic *lapic, u32 offset, unsigned size, u64 value, u64 now);

/* The processor has written the register at `offset`, a multiple of 16, into the page (an APIC-write VM exit). */
void lapic_wrote(struct lapic *lapic, u32 offset, u64 now);

/* LAPIC_MSR_FIRST to LAPIC_MSR_LAST and LAPIC_MSR_TSC_DEADLINE. -EINVAL: #GP(0). */
int lapic_msr_read(struct lapic *lapic, u32 msr, u64 *value, u64 now);
int lapic_msr_write(struct lapic *lapic, u32 msr, u64 value, u64 now);

/* IA32_APIC_BASE. -EINVAL: #GP(0). */
u64 lapic_base_read(const struct lapic *lapic);
int lapic_base_write(struct lapic *lapic, u64 value);

/* CR8 is TPR[7:4]. The value is at most 15. */
u8 lapic_cr8_read(const struct lapic *lapic);
void lapic_cr8_write(struct lapic *lapic, u8 value);

/* ---- timer: hv/dev/lapic_timer.c ---- */

/*
 * The host TSC at which it next interrupts, or LAPIC_NEVER. A guest can make that every tick: who waits for it limits the
 * rate.
 */
u64 lapic_timer_next(const struct lapic *lapic);

/* Fires what is due: periods that were missed are one interrupt, and the phase stays. Whether something was posted. */
bool lapic_timer_run(struct lapic *lapic, u64 now);

/*
 * The same as lapic_msr_write() of LAPIC_MSR_TSC_DEADLINE, where nothing is due and nothing becomes due before host TSC `until`,
 * which is not before `now`: nothing is posted. False: it is not so; nothing was done.
 */
bool lapic_deadline_write_quickly(struct lapic *lapic, u64 deadline, u64 now, u64 until);

void lapic_set_tsc_offset(struct lapic *lapic, u64 offset, u64 now);

/* ---- interrupts: hv/dev/lapic.c ---- */

enum { LAPIC_CHANGED_IRR = 1, LAPIC_CHANGED_TMR = 2 };

/* Merges what was posted into IRR and TMR. What has changed since the last call: RVI and EOI-exit bitmap follow. */
u32 lapic_collect(struct lapic *lapic);

/* The vector that the processor would take now if it could take interrupts, or LAPIC_NO_VECTOR. After lapic_collect(). */
int lapic_pending(struct lapic *lapic);

/* The processor takes that vector. */
void lapic_acknowledge(struct lapic *lapic, u8 vector);

/* A write of the EOI register. */
void lapic_eoi(struct lapic *lapic);

/* The processor has ended `vector` in the page (EOI virtualization), and told so by an EOI-induced VM exit. */
void lapic_ended(struct lapic *lapic, u8 vector);

/* For RVI and SVI; LAPIC_NO_VECTOR if there is none. */
int lapic_highest_irr(const struct lapic *lapic);
int lapic_highest_isr(const struct lapic *lapic);

/* The vectors whose EOI must exit: those that came level-triggered last. */
void lapic_eoi_exit_bitmap(const struct lapic *lapic, u64 bitmap[4]);

/*
 * From any processor: whether this one answers the PIC's INTR: LINT0 is ExtINT and unmasked, or the BSP has its APIC disabled.
 */
bool lapic_accepts_extint(const struct lapic *lapic);

/* ---- messages: hv/dev/lapic_deliver.c ---- */

/*
 * From any processor. Each returns whether the owner has something new to look at: it should be woken or kicked. A vector
 * below 16 becomes an error of this APIC.
 */
bool lapic_post(struct lapic *lapic, u8 vector, bool level);
bool lapic_post_nmi(struct lapic *lapic);
bool lapic_post_init(struct lapic *lapic); /* a SIPI and an NMI that came before are gone */
bool lapic_post_sipi(struct lapic *lapic, u8 vector);
bool lapic_post_extint(struct lapic *lapic);

/* From any processor: something was posted and not taken. An owner that is about to sleep looks at it last. */
bool lapic_needs_attention(const struct lapic *lapic);

/*
 * The events since the last call. INIT comes first. A SIPI counts only for a processor that waits for one, as after INIT; the
 * caller knows. `extint`: a message told the processor to ask the PIC for a vector.
 */
struct lapic_events {
    bool init, nmi, sipi, extint;
    u8 sipi_vector;
};
struct lapic_events lapic_take_events(struct lapic *lapic);

/* From any processor: whether the message's destination names this APIC; shorthands are not looked at. */
bool lapic_matches(const struct lapic *lapic, const struct apic_message *message);

/*
 * From any processor: gives the message to those of the `count` APICs that it names. `source` is the sender if it is one of
 * them, for shorthands. `notify` is called with the index of each whose owner has something new to look at. How many have
 * accepted it.
 */
unsigned apic_deliver(struct lapic *const *lapics, unsigned count, const struct apic_message *message,
                      const struct lapic *source, void (*notify)(void *context, unsigned index), void *context);

#endif
