/* SPDX-License-Identifier: BSD-2-Clause */
/* See pic8259.h. */
#include "hv/dev/pic8259.h"

enum {
    MASTER,
    SLAVE,
    CASCADE = 2,  /* the master's input with the slave on it */
    SPURIOUS = 7, /* the input that an acknowledge without a request reports */
    NO_INPUT = 8,

    REG_COMMAND = 0,

    ICW1 = 0x10,
    ICW1_ICW4 = 0x01,
    ICW1_SINGLE = 0x02,
    ICW1_LEVEL = 0x08,
    ICW2_VECTOR = 0xf8,
    ICW4_AUTO_EOI = 0x02,

    OCW3 = 0x08,
    OCW3_READ = 0x02,
    OCW3_READ_ISR = 0x01,
    OCW3_POLL = 0x04,
    OCW3_SET_SPECIAL_MASK = 0x40,
    OCW3_SPECIAL_MASK = 0x20,
    POLL_REQUEST = 0x80,

    MASTER_EDGE_ONLY = 0x07, /* inputs 0, 1, 2 and 8, 13 are edge-triggered on every PC (82371AB, ELCR1 and ELCR2) */
    SLAVE_EDGE_ONLY = 0x21,

    MASTER_CLOCKS = 0x05, /* the PIT's counter 0, and the slave, with */
    SLAVE_CLOCKS = 0x01,  /* the RTC */
};

static void chip_reset(struct pic *chip)
{
    u8 lines = chip->lines, elcr = chip->elcr;

    /* An edge that came before initialization is forgotten; a level is still there. */
    *chip = (struct pic){ .lines = lines, .elcr = elcr, .irr = lines & elcr, .lowest = 7 };
}

void pic_init(struct pic_pair *pair)
{
    *pair = (struct pic_pair){ 0 };
    for (unsigned i = 0; i < 2; i++) {
        chip_reset(&pair->chips[i]);
        pair->chips[i].imr = 0xff; /* nothing before the guest has set them up */
        pair->chips[i].vector = i == MASTER ? 0x08 : 0x70;
    }
}

/* The first input of `set` in order of priority, which begins behind the lowest, or NO_INPUT. */
static unsigned highest(const struct pic *chip, u8 set)
{
    unsigned first = chip->lowest + 1u;

    return set ? (first + (unsigned)__builtin_ctz((set | (u32)set << 8) >> first)) % 8 : NO_INPUT;
}

static unsigned rank(const struct pic *chip, unsigned input)
{
    return input == NO_INPUT ? 8 : (input + 7 - chip->lowest) % 8;
}

/* The request that the chip would make now, or NO_INPUT: not masked, and above everything in service. */
static unsigned chip_request(const struct pic *chip)
{
    u8 requests = chip->irr & (u8)~chip->imr, in_service = chip->isr;
    unsigned request = highest(chip, requests);

    if (requests == 0 || chip->next_icw != 0)
        return NO_INPUT;
    if (chip->special_mask)
        in_service &= (u8)~chip->imr; /* a masked input in service inhibits nobody */
    if (rank(chip, request) >= rank(chip, highest(chip, in_service)))
        return NO_INPUT;
    return request;
}

static void chip_set_line(struct pic *chip, unsigned input, bool high)
{
    u8 bit = (u8)(1u << input);

    if (chip->elcr & bit)
        chip->irr = high ? chip->irr | bit : chip->irr & (u8)~bit;
    else if (high && !(chip->lines & bit))
        chip->irr |= bit;
    chip->lines = high ? chip->lines | bit : chip->lines & (u8)~bit;
}

/*
 * The slave's output is the master's input 2. That input follows the request itself, so that a further request of the
 * slave is a new edge only after the slave has been acknowledged: an acknowledge therefore lowers it first.
 */
static void cascade(struct pic_pair *pair)
{
    bool request = chip_request(&pair->chips[SLAVE]) != NO_INPUT;
    struct pic *master = &pair->chips[MASTER];

    chip_set_line(master, CASCADE, request);
    if (!request)
        master->irr &= (u8) ~(1u << CASCADE);
}

static void chip_end_of_interrupt(struct pic *chip, unsigned input, bool rotate)
{
    if (input == NO_INPUT)
        return;
    chip->isr &= (u8) ~(1u << input);
    if (rotate)
        chip->lowest = (u8)input;
}

/* Takes the request into service; the input, or NO_INPUT if there was none. */
static unsigned chip_acknowledge(struct pic *chip)
{
    unsigned input = chip_request(chip);
    u8 bit = (u8)(1u << input);

    if (input == NO_INPUT)
        return NO_INPUT;
    if (!(chip->elcr & bit))
        chip->irr &= (u8)~bit;
    chip->isr |= bit;
    if (chip->auto_eoi)
        chip_end_of_interrupt(chip, input, chip->rotate_on_auto_eoi);
    return input;
}

void pic_set_line(struct pic_pair *pair, unsigned irq, bool high)
{
    assert(irq < PIC_LINES && irq != CASCADE);
    chip_set_line(&pair->chips[irq / 8], irq % 8, high);
    cascade(pair);
}

bool pic_line_enabled(const struct pic_pair *pair, unsigned irq)
{
    if (irq >= 8 && (pair->chips[MASTER].imr & 1u << CASCADE))
        return false;
    return !(pair->chips[irq / 8].imr & 1u << irq % 8);
}

bool pic_pending(const struct pic_pair *pair)
{
    return chip_request(&pair->chips[MASTER]) != NO_INPUT;
}

u8 pic_acknowledge(struct pic_pair *pair)
{
    unsigned input = chip_acknowledge(&pair->chips[MASTER]);
    unsigned chip = MASTER;

    if (input == CASCADE && !pair->chips[MASTER].single) {
        chip = SLAVE;
        input = chip_acknowledge(&pair->chips[SLAVE]);
        chip_set_line(&pair->chips[MASTER], CASCADE, false);
    }
    cascade(pair);
    if (input == NO_INPUT)
        input = SPURIOUS;
    return (u8)(pair->chips[chip].vector + input);
}

static void write_icw1(struct pic *chip, u8 value)
{
    chip_reset(chip);
    chip->next_icw = 2;
    chip->expects_icw4 = value & ICW1_ICW4;
    chip->single = value & ICW1_SINGLE;
}

static void write_ocw2(struct pic *chip, u8 value)
{
    unsigned named = value & 7;
    u8 in_service = chip->special_mask ? chip->isr & (u8)~chip->imr : chip->isr;

    switch (value >> 5) { /* rotate, specific, end of interrupt */
    case 0:
        chip->rotate_on_auto_eoi = false;
        break;
    case 1:
        chip_end_of_interrupt(chip, highest(chip, in_service), false);
        break;
    case 3:
        chip_end_of_interrupt(chip, named, false);
        break;
    case 4:
        chip->rotate_on_auto_eoi = true;
        break;
    case 5:
        chip_end_of_interrupt(chip, highest(chip, in_service), true);
        break;
    case 6:
        chip->lowest = (u8)named;
        break;
    case 7:
        chip_end_of_interrupt(chip, named, true);
        break;
    default: /* 2: no operation */
        break;
    }
}

static void write_ocw3(struct pic *chip, u8 value)
{
    if (value & OCW3_SET_SPECIAL_MASK)
        chip->special_mask = value & OCW3_SPECIAL_MASK;
    if (value & OCW3_READ)
        chip->read_isr = value & OCW3_READ_ISR;
    chip->poll = value & OCW3_POLL;
}

static void write_data(struct pic *chip, u8 value)
{
    switch (chip->next_icw) {
    case 2:
        chip->vector = value & ICW2_VECTOR;
        chip->next_icw = chip->single ? (chip->expects_icw4 ? 4 : 0) : 3;
        break;
    case 3: /* the wiring, which is fixed */
        chip->next_icw = chip->expects_icw4 ? 4 : 0;
        break;
    case 4:
        chip->auto_eoi = value & ICW4_AUTO_EOI;
        chip->next_icw = 0;
        break;
    default:
        chip->imr = value;
        break;
    }
}

static void pic_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct pic_pair *pair = dev;
    struct pic *chip = &pair->chips[reg / 2 & 1];

    if ((reg & 1) != REG_COMMAND)
        write_data(chip, value);
    else if (value & ICW1)
        write_icw1(chip, value);
    else if (value & OCW3)
        write_ocw3(chip, value);
    else
        write_ocw2(chip, value);
    cascade(pair);
}

/* Polling is an acknowledge without the processor's: the answer has bit 7 if there was a request. */
static u8 poll(struct pic_pair *pair, struct pic *chip)
{
    unsigned input = chip_acknowledge(chip);

    chip->poll = false;
    cascade(pair);
    return input == NO_INPUT ? 0 : (u8)(POLL_REQUEST | input);
}

static u8 pic_read(void *dev, unsigned reg, u64 now_ns)
{
    struct pic_pair *pair = dev;
    struct pic *chip = &pair->chips[reg / 2 & 1];

    if (chip->poll)
        return poll(pair, chip);
    if ((reg & 1) != REG_COMMAND)
        return chip->imr;
    return chip->read_isr ? chip->isr : chip->irr;
}

/*
 * Ends of interrupts, and masks, while the output stays as it is. Not where the mask of a clock changes, who is heard then or
 * not any more; nor where a chip is set up, which forgets the edges that there have been until then.
 */
static bool pic_write_quickly(void *dev, unsigned reg, u8 value)
{
    struct pic_pair *pair = dev;
    unsigned number = reg / 2 & 1;
    const struct pic *chip = &pair->chips[number];
    bool command = (reg & 1) == REG_COMMAND;

    if (command ? value & ICW1 : (chip->imr ^ value) & (number == MASTER ? MASTER_CLOCKS : SLAVE_CLOCKS))
        return false;

    struct pic_pair before = *pair;
    pic_write(pair, reg, value, 0);
    if (pic_pending(pair) == pic_pending(&before))
        return true;
    *pair = before;
    return false;
}

const struct port_ops pic_ops = { .read = pic_read, .write = pic_write, .write_quickly = pic_write_quickly };

static u8 elcr_read(void *dev, unsigned reg, u64 now_ns)
{
    struct pic_pair *pair = dev;

    return pair->chips[reg & 1].elcr;
}

/* An input that becomes level-triggered asks while it is high; one that becomes edge-triggered waits for the next edge. */
static void elcr_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct pic_pair *pair = dev;
    struct pic *chip = &pair->chips[reg & 1];
    u8 elcr = value & (u8) ~((reg & 1) == MASTER ? MASTER_EDGE_ONLY : SLAVE_EDGE_ONLY);
    u8 changed = chip->elcr ^ elcr;

    chip->elcr = elcr;
    chip->irr = (chip->irr & (u8)~changed) | (chip->lines & elcr & changed);
    cascade(pair);
}

const struct port_ops pic_elcr_ops = { .read = elcr_read, .write = elcr_write };
