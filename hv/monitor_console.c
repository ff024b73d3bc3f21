/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands by which a person works with guests: typing to them, ending them. */
#include "hv/monitor_call.h"
#include "hv/slat_version.h"
#include "hv/vm.h"
#include "hv/vm_list.h"

static const char stopped[] = "it was stopped by the monitor";

static int fail_ended(struct monitor_call *call)
{
    return monitor_fail(call, -ESRCH, "the guest has ended");
}

static unsigned hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
           : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                  : 16;
}

/* What stands behind a backslash; *at goes behind it. -1: there is no such escape. */
static int unescape(const char **at)
{
    static const struct {
        char letter, byte;
    } escapes[] = { { 'r', '\r' }, { 'n', '\n' }, { 't', '\t' }, { 'e', '\x1b' }, { '\\', '\\' }, { '"', '"' } };
    const char *letter = *at;

    if (letter[0] == 'x' && hex_digit(letter[1]) < 16 && hex_digit(letter[2]) < 16) {
        *at += 3;
        return (int)(hex_digit(letter[1]) << 4 | hex_digit(letter[2]));
    }
    for (unsigned i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].letter == *letter) {
            *at += 1;
            return escapes[i].byte;
        }
    }
    return -1;
}

static int read_text(struct monitor_call *call, u8 bytes[MONITOR_LINE_SIZE], unsigned *count)
{
    const char *at = call->arguments[0];
    unsigned length = 0;

    while (*at != '\0') {
        const char *escape = at;
        int byte = (u8)*at++;

        if (byte == '\\')
            byte = unescape(&at);
        if (byte < 0)
            return monitor_fail(call, -EINVAL, "unknown escape \"%s\"; allowed: \\r \\n \\t \\e \\\\ \\\" \\xNN",
                                escape);
        bytes[length++] = (u8)byte;
    }
    *count = length;
    return 0;
}

int monitor_type(struct monitor_call *call)
{
    struct vm *vm = call->vm;
    u8 bytes[MONITOR_LINE_SIZE];
    unsigned count, done = 0;
    int error = read_text(call, bytes, &count);

    while (!error) {
        unsigned before = done;

        if (!__atomic_load_n(&vm->runs, __ATOMIC_ACQUIRE))
            return fail_ended(call);
        while (done < count && guest_input_put(&vm->input, bytes[done]))
            done++;
        if (done > before)
            vm_input_arrived(vm);
        if (done == count)
            return 0;
        error = monitor_wait_step(call, ~0ull);
    }
    return error;
}

int monitor_console(struct monitor_call *call)
{
    if (!call->context->connect)
        return monitor_fail(call, -ENOTTY, "only for who types at the serial port");
    if (!__atomic_load_n(&call->vm->runs, __ATOMIC_ACQUIRE))
        return fail_ended(call);
    call->context->connect(call->context->argument, call->vm);
    return 0;
}

int monitor_stop(struct monitor_call *call)
{
    if (!__atomic_load_n(&call->vm->runs, __ATOMIC_ACQUIRE))
        return fail_ended(call);
    vm_stop(call->vm, stopped);
    return 0;
}

int monitor_quit(struct monitor_call *call)
{
    struct vm *vm;

    for (unsigned i = 0; (vm = vm_list_at(i)) != NULL; i++) {
        if (__atomic_load_n(&vm->runs, __ATOMIC_ACQUIRE))
            vm_stop(vm, stopped);
    }
    return 0;
}

int monitor_version(struct monitor_call *call)
{
    monitor_say(call, "slat %s", slat_version);
    return 0;
}
