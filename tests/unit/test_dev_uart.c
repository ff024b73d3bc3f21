/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/uart16550.c, by what drivers do with it: Linux's autoconfig(), polled consoles, interrupt-driven ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/uart16550.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

static struct uart uart;
static u8 sent[64];
static unsigned sent_count;

static void take_sent(void *context, u8 byte)
{
    assert_ptr_equal(context, sent);
    sent[sent_count++ % sizeof sent] = byte;
}

static int setup(void **state)
{
    sent_count = 0;
    uart_init(&uart, take_sent, sent);
    return 0;
}

static u8 get(unsigned reg)
{
    return uart_ops.read(&uart, reg, 0);
}

static void set(unsigned reg, u8 value)
{
    uart_ops.write(&uart, reg, value, 0);
}

static void transmits_and_is_always_empty(void **state)
{
    assert_int_equal(get(LSR), 0x60);
    set(DATA, 'h');
    set(DATA, 'i');
    assert_int_equal(sent_count, 2);
    assert_memory_equal(sent, "hi", 2);
    assert_int_equal(get(LSR), 0x60);
}

static void divisor_is_behind_dlab(void **state)
{
    set(IER, 0x0a);
    set(LCR, 0x83);
    set(DATA, 0x0c);
    set(IER, 0x01);
    assert_int_equal(sent_count, 0);
    assert_int_equal(get(DATA), 0x0c);
    assert_int_equal(get(IER), 0x01);
    assert_int_equal(get(LCR), 0x83);
    set(LCR, 0x03);
    assert_int_equal(get(IER), 0x0a);
    assert_int_equal(get(DATA), 0); /* nothing received: not the divisor */
}

static void registers_keep_what_they_have(void **state)
{
    set(SCR, 0xa5);
    assert_int_equal(get(SCR), 0xa5);
    set(IER, 0xff);
    assert_int_equal(get(IER), 0x0f); /* Linux: a UART whose upper IER bits stick is no 16550A */
    set(MCR, 0xef);
    assert_int_equal(get(MCR), 0x0f);
    set(LSR, 0xff);
    set(MSR, 0xff);
    assert_int_equal(get(LSR), 0x60);
    assert_int_equal(get(MSR), 0xb0);
}

/* Linux, 8250_port.c, autoconfig(): the modem lines in loopback; then the FIFO bits. */
static void linux_autoconfig(void **state)
{
    set(MCR, 0x10 | 0x0a); /* LOOP, OUT2, RTS */
    assert_int_equal(get(MSR) & 0xf0, 0x90);
    set(MCR, 0x10 | 0x05); /* LOOP, OUT1, DTR */
    assert_int_equal(get(MSR) & 0xf0, 0x60);
    set(MCR, 0);
    assert_int_equal(get(MSR) & 0xf0, 0xb0);
    set(FCR, 0x01);
    assert_int_equal(get(IIR) >> 6, 3);
    set(FCR, 0x00);
    assert_int_equal(get(IIR) >> 6, 0);
}

static void modem_status_changes(void **state)
{
    set(MCR, 0x10); /* all lines fall */
    assert_int_equal(get(MSR), 0x0b);
    assert_int_equal(get(MSR), 0x00);
    set(MCR, 0x14); /* ringing begins: no change bit */
    assert_int_equal(get(MSR), 0x40);
    set(MCR, 0x10); /* and ends */
    assert_int_equal(get(MSR), 0x04);
    set(IER, 0x08);
    assert_false(uart_irq_pending(&uart));
    set(MCR, 0x11);
    assert_true(uart_irq_pending(&uart));
    assert_int_equal(get(IIR), 0x00);
    assert_int_equal(get(MSR), 0x22);
    assert_false(uart_irq_pending(&uart));
    set(MCR, 0x13); /* changes add up until they are read */
    set(MCR, 0x1b);
    assert_int_equal(get(MSR), 0xb9);
}

static void loopback_receives_what_it_sends(void **state)
{
    set(MCR, 0x10);
    set(DATA, 'x');
    assert_int_equal(sent_count, 0);
    assert_int_equal(get(LSR), 0x61);
    assert_int_equal(get(DATA), 'x');
    assert_int_equal(get(LSR), 0x60);
    assert_false(uart_can_receive(&uart));
    assert_false(uart_receive(&uart, 'y')); /* the line is disconnected */
    assert_int_equal(get(LSR), 0x60);
}

static void receive_fifo_keeps_order_and_loses_the_last(void **state)
{
    set(FCR, 0x01);
    for (unsigned round = 0; round < 3; round++) { /* the ring wraps */
        for (unsigned i = 0; i < UART_FIFO_SIZE; i++) {
            assert_true(uart_can_receive(&uart));
            assert_true(uart_receive(&uart, (u8)('a' + i)));
        }
        assert_false(uart_can_receive(&uart));
        assert_int_equal(get(LSR), 0x61);
        assert_false(uart_receive(&uart, '!'));
        assert_int_equal(get(LSR), 0x63);
        assert_int_equal(get(LSR), 0x61); /* reading clears the overrun */
        for (unsigned i = 0; i < UART_FIFO_SIZE; i++)
            assert_int_equal(get(DATA), 'a' + i);
        assert_int_equal(get(LSR), 0x60);
        assert_true(uart_receive(&uart, 'z')); /* shifts the ring by one */
        assert_int_equal(get(DATA), 'z');
    }
}

static void without_fifo_a_byte_is_overwritten(void **state)
{
    assert_true(uart_receive(&uart, 'a'));
    assert_false(uart_can_receive(&uart));
    assert_false(uart_receive(&uart, 'b'));
    assert_int_equal(get(LSR), 0x63);
    assert_int_equal(get(DATA), 'b');
    assert_int_equal(get(LSR), 0x60);
}

static void fifo_is_cleared(void **state)
{
    set(FCR, 0x01);
    uart_receive(&uart, 'a');
    set(FCR, 0x03);
    assert_int_equal(get(LSR), 0x60);
    uart_receive(&uart, 'a');
    set(FCR, 0x01); /* nothing switched, nothing cleared */
    assert_int_equal(get(LSR), 0x61);
    set(FCR, 0x00);
    assert_int_equal(get(LSR), 0x60);
}

static void receive_interrupts(void **state)
{
    set(IER, 0x01);
    set(FCR, 0x41); /* trigger at 4 */
    assert_int_equal(get(IIR), 0xc1);
    uart_receive(&uart, 'a');
    assert_true(uart_irq_pending(&uart));
    assert_int_equal(get(IIR), 0xcc); /* timed out below the trigger level */
    uart_receive(&uart, 'b');
    uart_receive(&uart, 'c');
    uart_receive(&uart, 'd');
    assert_int_equal(get(IIR), 0xc4);
    get(DATA);
    assert_int_equal(get(IIR), 0xcc);
    set(IER, 0);
    assert_false(uart_irq_pending(&uart));
    assert_int_equal(get(IIR), 0xc1);
}

static void transmit_interrupt(void **state)
{
    assert_false(uart_irq_pending(&uart));
    set(IER, 0x02); /* enabling it while the transmitter is empty raises it */
    assert_true(uart_irq_pending(&uart));
    assert_int_equal(get(IIR), 0x02);
    assert_int_equal(get(IIR), 0x01); /* reading IIR has cleared it */
    set(IER, 0x02);
    assert_false(uart_irq_pending(&uart)); /* it was enabled already */
    set(DATA, 'a');
    assert_int_equal(get(IIR), 0x02);
}

static void interrupt_priority(void **state)
{
    set(FCR, 0x01);
    set(IER, 0x0f);
    set(MCR, 0x10);
    set(MCR, 0x00);
    for (unsigned i = 0; i < UART_FIFO_SIZE + 1; i++)
        uart_receive(&uart, 'a');
    assert_int_equal(get(IIR), 0xc6);
    get(LSR);
    assert_int_equal(get(IIR), 0xc4);
    assert_int_equal(get(IIR), 0xc4); /* only reading the data clears that */
    set(FCR, 0x03);
    assert_int_equal(get(IIR), 0xc2);
    assert_int_equal(get(IIR), 0xc0);
    get(MSR);
    assert_int_equal(get(IIR), 0xc1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(transmits_and_is_always_empty, setup),
        cmocka_unit_test_setup(divisor_is_behind_dlab, setup),
        cmocka_unit_test_setup(registers_keep_what_they_have, setup),
        cmocka_unit_test_setup(linux_autoconfig, setup),
        cmocka_unit_test_setup(modem_status_changes, setup),
        cmocka_unit_test_setup(loopback_receives_what_it_sends, setup),
        cmocka_unit_test_setup(receive_fifo_keeps_order_and_loses_the_last, setup),
        cmocka_unit_test_setup(without_fifo_a_byte_is_overwritten, setup),
        cmocka_unit_test_setup(fifo_is_cleared, setup),
        cmocka_unit_test_setup(receive_interrupts, setup),
        cmocka_unit_test_setup(transmit_interrupt, setup),
        cmocka_unit_test_setup(interrupt_priority, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
