/* SPDX-License-Identifier: BSD-2-Clause */
/* See uart16550.h. */
#include "hv/dev/uart16550.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

enum {
    IER_RECEIVED = 0x01,
    IER_EMPTY = 0x02,
    IER_LINE_STATUS = 0x04,
    IER_MODEM_STATUS = 0x08,
    IER_BITS = 0x0f,

    IIR_NONE = 0x01,
    IIR_MODEM_STATUS = 0x00,
    IIR_EMPTY = 0x02,
    IIR_RECEIVED = 0x04,
    IIR_LINE_STATUS = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RECEIVER = 0x02,
    FCR_TRIGGER = 0xc0,

    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_BITS = 0x1f,

    LSR_DATA_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_EMPTY = 0x60, /* THRE and TEMT */

    MSR_CHANGES = 0x0f,
    MSR_RING_ENDED = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD,
};

void uart_init(struct uart *uart, void (*transmit)(void *context, u8 byte), void *context)
{
    *uart = (struct uart){ .transmit = transmit, .context = context, .msr = MSR_CONNECTED, .divisor = { 1, 0 } };
}

static bool fifos_enabled(const struct uart *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned fifo_capacity(const struct uart *uart)
{
    return fifos_enabled(uart) ? UART_FIFO_SIZE : 1;
}

static void fifo_clear(struct uart *uart)
{
    uart->fifo_first = uart->fifo_count = 0;
}

bool uart_can_receive(const struct uart *uart)
{
    return !(uart->mcr & MCR_LOOP) && uart->fifo_count < fifo_capacity(uart);
}

/* With FIFOs a byte that finds them full is lost; without, it replaces the one that was not read in time. */
static bool receive(struct uart *uart, u8 byte)
{
    bool room = uart->fifo_count < fifo_capacity(uart);

    if (!room) {
        uart->lsr_errors |= LSR_OVERRUN;
        if (!fifos_enabled(uart))
            uart->fifo[uart->fifo_first] = byte;
        return false;
    }
    uart->fifo[(uart->fifo_first + uart->fifo_count) % UART_FIFO_SIZE] = byte;
    uart->fifo_count++;
    return true;
}

bool uart_receive(struct uart *uart, u8 byte)
{
    if (uart->mcr & MCR_LOOP)
        return false; /* in loopback the line's input is disconnected: lost without an overrun */
    return receive(uart, byte);
}

static u8 take_received(struct uart *uart)
{
    u8 byte;

    if (uart->fifo_count == 0)
        return 0;
    byte = uart->fifo[uart->fifo_first];
    uart->fifo_first = (uart->fifo_first + 1) % UART_FIFO_SIZE;
    uart->fifo_count--;
    return byte;
}

static unsigned trigger_level(const struct uart *uart)
{
    static const u8 levels[4] = { 1, 4, 8, 14 };

    return fifos_enabled(uart) ? levels[uart->fcr >> 6] : 1;
}

/* The interrupt of highest priority, as in IIR without the FIFO bits. */
static u8 interrupt_id(const struct uart *uart)
{
    if ((uart->ier & IER_LINE_STATUS) && uart->lsr_errors)
        return IIR_LINE_STATUS;
    if ((uart->ier & IER_RECEIVED) && uart->fifo_count >= trigger_level(uart))
        return IIR_RECEIVED;
    if ((uart->ier & IER_RECEIVED) && uart->fifo_count > 0)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_EMPTY) && uart->thre_pending)
        return IIR_EMPTY;
    if ((uart->ier & IER_MODEM_STATUS) && (uart->msr & MSR_CHANGES))
        return IIR_MODEM_STATUS;
    return IIR_NONE;
}

bool uart_irq_pending(const struct uart *uart)
{
    return interrupt_id(uart) != IIR_NONE;
}

static bool out2(const struct uart *uart)
{
    return (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
}

bool uart_irq_line(const struct uart *uart)
{
    return out2(uart) && uart_irq_pending(uart);
}

bool uart_irq_on_receive(const struct uart *uart)
{
    return out2(uart) && (uart->ier & IER_RECEIVED);
}

static u8 read_iir(struct uart *uart)
{
    u8 id = interrupt_id(uart);

    if (id == IIR_EMPTY)
        uart->thre_pending = false;
    return id | (fifos_enabled(uart) ? IIR_FIFOS : 0);
}

static void send(struct uart *uart, u8 byte)
{
    uart->thre_pending = true;
    if (uart->mcr & MCR_LOOP)
        receive(uart, byte);
    else
        uart->transmit(uart->context, byte);
}

/* In loopback the four outputs are connected to the four inputs (PC16550D, Modem Control Register). */
static u8 modem_lines(u8 mcr)
{
    u8 lines = 0;

    if (!(mcr & MCR_LOOP))
        return MSR_CONNECTED;
    if (mcr & MCR_RTS)
        lines |= MSR_CTS;
    if (mcr & MCR_DTR)
        lines |= MSR_DSR;
    if (mcr & MCR_OUT1)
        lines |= MSR_RI;
    if (mcr & MCR_OUT2)
        lines |= MSR_DCD;
    return lines;
}

static void write_mcr(struct uart *uart, u8 value)
{
    u8 lines, changed;

    uart->mcr = value & MCR_BITS;
    lines = modem_lines(uart->mcr);
    changed = (u8)((uart->msr ^ lines) >> 4);
    if (lines & MSR_RI)
        changed &= (u8)~MSR_RING_ENDED; /* only the end of ringing counts */
    uart->msr = (u8)(lines | (uart->msr & MSR_CHANGES) | (changed & MSR_CHANGES));
}

static void write_fcr(struct uart *uart, u8 value)
{
    bool switched = (uart->fcr ^ value) & FCR_ENABLE;

    if (switched || (value & FCR_CLEAR_RECEIVER))
        fifo_clear(uart);
    uart->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER) : 0;
}

static void write_ier(struct uart *uart, u8 value)
{
    /* Enabling this interrupt while the transmitter is empty raises it: drivers start sending with that. */
    if ((value & IER_EMPTY) && !(uart->ier & IER_EMPTY))
        uart->thre_pending = true;
    uart->ier = value & IER_BITS;
}

static u8 uart_read(void *dev, unsigned reg, u64 now_ns)
{
    struct uart *uart = dev;
    bool dlab = uart->lcr & LCR_DLAB;
    u8 value;

    switch (reg) {
    case REG_DATA:
        return dlab ? uart->divisor[0] : take_received(uart);
    case REG_IER:
        return dlab ? uart->divisor[1] : uart->ier;
    case REG_IIR_FCR:
        return read_iir(uart);
    case REG_LCR:
        return uart->lcr;
    case REG_MCR:
        return uart->mcr;
    case REG_LSR:
        value = LSR_EMPTY | uart->lsr_errors | (uart->fifo_count ? LSR_DATA_READY : 0);
        uart->lsr_errors = 0;
        return value;
    case REG_MSR:
        value = uart->msr;
        uart->msr &= (u8)~MSR_CHANGES;
        return value;
    case REG_SCR:
        return uart->scr;
    default:
        return 0xff;
    }
}

static void uart_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct uart *uart = dev;
    bool dlab = uart->lcr & LCR_DLAB;

    switch (reg) {
    case REG_DATA:
        if (dlab)
            uart->divisor[0] = value;
        else
            send(uart, value);
        break;
    case REG_IER:
        if (dlab)
            uart->divisor[1] = value;
        else
            write_ier(uart, value);
        break;
    case REG_IIR_FCR:
        write_fcr(uart, value);
        break;
    case REG_LCR:
        uart->lcr = value;
        break;
    case REG_MCR:
        write_mcr(uart, value);
        break;
    case REG_SCR:
        uart->scr = value;
        break;
    default: /* LSR and MSR: writes are for factory tests */
        break;
    }
}

static __attribute__((noinline)) bool write_if_line_stays(struct uart *uart, unsigned reg, u8 value)
{
    struct uart before = *uart;

    uart_write(uart, reg, value, 0);
    if (uart_irq_line(uart) == uart_irq_line(&before))
        return true;
    *uart = before;
    return false;
}

/* What is sent is for others. */
static bool uart_write_quickly(void *dev, unsigned reg, u8 value)
{
    struct uart *uart = dev;

    if (reg == REG_SCR) {
        uart->scr = value;
        return true;
    }
    return reg != REG_DATA && write_if_line_stays(uart, reg, value);
}

const struct port_ops uart_ops = { .read = uart_read, .write = uart_write, .write_quickly = uart_write_quickly };
