/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PC's two 8259A interrupt controllers, the second on the first one's input 2. Source: Intel 8259A data sheet.
 * Left out: special fully nested mode and buffered mode (accepted and ignored), 8085 vectors (an ICW1 for one CPU
 * family is as good as for the other).
 */
#ifndef HV_DEV_PIC8259_H
#define HV_DEV_PIC8259_H

#include "hv/dev/port_bus.h"

enum { PIC_PORTS = 2, PIC_ELCR_PORTS = 2, PIC_MASTER_REG = 0, PIC_SLAVE_REG = 2, PIC_LINES = 16 };

struct pic {
    u8 lines; /* the inputs as they are */
    u8 irr, isr, imr;
    u8 elcr;     /* inputs that are level-triggered */
    u8 vector;   /* ICW2: vector of input 0 */
    u8 lowest;   /* input with the lowest priority */
    u8 next_icw; /* 2, 3, 4: initialization expects it; 0: it is done */
    bool expects_icw4, single;
    bool auto_eoi, rotate_on_auto_eoi, special_mask;
    bool read_isr, poll;
};

struct pic_pair {
    struct pic chips[2]; /* master, slave */
};

void pic_init(struct pic_pair *pair);

extern const struct port_ops pic_ops;      /* dev: struct pic_pair; registers 0, 1 the master, 2, 3 the slave */
extern const struct port_ops pic_elcr_ops; /* dev: struct pic_pair; two registers */

/* An input, 0 to 15 without 2, goes high or low. */
void pic_set_line(struct pic_pair *pair, unsigned irq, bool high);

/* Whether a request at this input would get through the masks. */
bool pic_line_enabled(const struct pic_pair *pair, unsigned irq);

/* Whether the pair asks the processor for an interrupt. */
bool pic_pending(const struct pic_pair *pair);

/* The processor's interrupt acknowledge: the vector. With nothing pending it is the spurious one, of input 7. */
u8 pic_acknowledge(struct pic_pair *pair);

#endif
