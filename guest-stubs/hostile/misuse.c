/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that uses its processors, their local APICs and the device registers in memory as nobody should ends
 * alone, with a reason, or gets on with what it has. how=N: the number of the table at the end, which says how it
 * ends.
 *
 *   [guest misuse-4]
 *   image = misuse.elf
 *   memory = 8M
 *   processors = 4
 *   cmdline = how=4
 *   expect-end = outside-memory
 */
#include "guest-stubs/hostile/parallel.h"

enum { IOAPIC = (int)0xfec00000, IOAPIC_DATA = 0x10, IOAPIC_TABLE = 0x10, IOAPIC_PINS = 24 };
enum { PAGE = 4096, NONSENSE = 3000, CR4_OSFXSR = 1 << 9, FIRST_INTERRUPT = 16 };
enum { KEYBOARD = 0x64, KEYBOARD_RESET = 0xfe, PORT_92 = 0x92, PORT_CF9 = 0xcf9, PM1_CONTROL = 0x604, PM1_S5 = 0x2000 };
enum { BASE_ADDRESS = (int)0xfee00000, MODE_SHIFT = 8, MODE_INIT = 5, MODE_STARTUP = 6, VECTOR_DB = 1 };
enum { LOW_CODE = 0x600, JUMP_TO_ITSELF = 0xfeeb };

static u32 next_random(void)
{
    static u32 random = 1;

    random = random * 1664525 + 1013904223;
    return random ^ random >> 15;
}

_Noreturn static void halt_for_ever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

static void spin(void)
{
    for (;;)
        relax();
}

/* Whatever vector comes, also those that were never ended, is counted as spurious. */
static void accept_all(void)
{
    for (unsigned i = FIRST_INTERRUPT; i < VECTORS; i++)
        interrupt_gate_copy(i, VECTOR_SPURIOUS);
}

/* Never an INIT or a start: of those this processor would know nothing more. */
static u32 harmless(u32 value)
{
    u32 mode = value >> MODE_SHIFT & 7;

    return mode == MODE_INIT || mode == MODE_STARTUP ? value ^ 2u << MODE_SHIFT : value;
}

static void apic_nonsense(void)
{
    accept_all();
    pic_start(0);
    interrupts_on();
    for (unsigned i = 0; i < NONSENSE; i++) {
        u32 offset = next_random() & 0xff0, value = next_random();
        apic_write(offset, offset == APIC_ICR ? harmless(value) : value);
        (void)apic_read(next_random() & 0xffc);
    }
    interrupts_off();
    ok(true, "%u values at random in registers at random", NONSENSE);
}

static void ioapic_nonsense(void)
{
    accept_all();
    pic_start(0); /* an entry may ask it for a vector */
    interrupts_on();
    outb(COM1 + 4, 8);
    for (unsigned i = 0; i < NONSENSE; i++) {
        u32 index = IOAPIC_TABLE + next_random() % (2 * IOAPIC_PINS + 4), value = next_random();
        poke((u32)IOAPIC, index);
        poke((u32)IOAPIC + IOAPIC_DATA, index & 1 ? value : harmless(value) & ~(u32)LVT_MASKED);
        outb(COM1 + 1, value & 2);
        outb(0x43, 0x34);
        outb(0x40, 2);
        outb(0x40, 0);
    }
    interrupts_off();
    ok(true, "%u entries at random while interrupts come", NONSENSE);
}

/* Each is refused with #GP, which handle_gp() counts, and the APIC stays where it is. */
static void base_moves(void)
{
    static const u64 bad[] = { 0x1000 | BASE_ENABLED,
                               0xfee01000 | BASE_ENABLED,
                               0x1fee00000 | BASE_ENABLED,
                               (u32)BASE_ADDRESS | BASE_X2APIC,
                               (u32)BASE_ADDRESS | BASE_ENABLED | 1,
                               ~0ull };
    u32 before = this_processor()->counts[VECTOR_GP];

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        wrmsr(MSR_APIC_BASE, bad[i]);
    ok(this_processor()->counts[VECTOR_GP] - before == sizeof(bad) / sizeof(bad[0]) && apic_id() == 0,
       "bases and bits that there are not are refused");
}

static void base_off(void)
{
    wrmsr(MSR_APIC_BASE, (u32)BASE_ADDRESS | BASE_BSP);
    peek((u32)APIC_BASE + APIC_ID);
}

static void across_end(void)
{
    peek((u32)APIC_BASE + PAGE - 2);
}

static void across_begin(void)
{
    peek((u32)APIC_BASE - 2);
}

static void across_end_writing(void)
{
    poke((u32)APIC_BASE + PAGE - 1, 0);
}

static void sse(void)
{
    write_cr4(read_cr4() | CR4_OSFXSR);
    write_cr0(read_cr0() & ~(CR0_EM | CR0_TS));
    __asm__ volatile("movups (%0), %%xmm0" : : "r"(APIC_BASE) : "memory");
}

static void fxsave(void)
{
    write_cr4(read_cr4() | CR4_OSFXSR);
    __asm__ volatile("fxsave (%0)" : : "r"(APIC_BASE) : "memory");
}

static void push(void)
{
    __asm__ volatile("mov %0, %%esp; push %%eax" : : "r"(APIC_BASE + 0x90) : "memory");
}

static void call(void)
{
    __asm__ volatile("mov %0, %%esp; call 1f; 1: nop" : : "r"(APIC_BASE + 0x90) : "memory");
}

static void call_through(void)
{
    __asm__ volatile("call *(%0)" : : "r"(APIC_BASE + APIC_ID) : "memory");
}

static void stack_for_exception(void)
{
    __asm__ volatile("mov %0, %%esp; ud2" : : "r"(APIC_BASE + 0x800) : "memory");
}

struct table_pointer {
    u16 limit;
    u32 base;
} __attribute__((packed));

static void idt(void)
{
    const struct table_pointer pointer = { 0x7ff, (u32)APIC_BASE };

    __asm__ volatile("lidt %0; ud2" : : "m"(pointer) : "memory");
}

static void gdt(void)
{
    const struct table_pointer pointer = { 0xff, (u32)IOAPIC };

    __asm__ volatile("lgdt %0; mov %1, %%ds" : : "m"(pointer), "r"(0x10) : "memory");
}

static void page_tables(void)
{
    write_cr3((u32)IOAPIC);
    write_cr0(read_cr0() | CR0_PG);
}

static void execute(void)
{
    ((void (*)(void))(uintptr_t)(u32)APIC_BASE)();
}

static void ins(void)
{
    u32 to = (u32)APIC_BASE + APIC_TPR;

    __asm__ volatile("insl" : "+D"(to) : "d"(0x5a5a) : "memory");
}

static void outs(void)
{
    u32 from = (u32)IOAPIC;

    __asm__ volatile("outsb" : "+S"(from) : "d"(0x80) : "memory");
}

static void triple_fault(void)
{
    const struct table_pointer pointer = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(pointer) : "memory");
}

static void reset_by_keyboard(void)
{
    outb(KEYBOARD, KEYBOARD_RESET);
}

static void reset_by_port_92(void)
{
    outb(PORT_92, 1);
}

static void power_off(void)
{
    outw(PM1_CONTROL, PM1_S5 | 5 << 10);
    outw(PM1_CONTROL, PM1_S5);
}

static void reset_by_nothing(void)
{
    outb(PORT_CF9, 6);
    ok(true, "port 0xcf9 is absent");
    stub_exit(0);
}

static void init_first(void)
{
    apic_send(0, ICR_INIT | ICR_ASSERT);
    spin();
}

static void exit_3(void)
{
    stub_exit(3);
}

static void halt_interruptible(void)
{
    for (;;)
        halt_once();
}

/*
 * Where there is no code, but zeros: they add AL to the byte at DS:BX+SI, up to the end of the segment. The #GP there
 * has a jump to itself as its handler.
 */
static void start_in_zeros(void)
{
    volatile u16 *low = NULL;

    __asm__("" : "+r"(low)); /* the compiler knows that nothing is at NULL */
    low[VECTOR_GP * 2] = LOW_CODE;
    low[LOW_CODE / 2] = JUMP_TO_ITSELF;
    apic_send(0, ICR_STARTUP | ICR_ASSERT | ICR_OTHERS | 0xc0);
    halt_for_ever();
}

static volatile u32 steps;

struct step_frame {
    u32 ip, cs, flags;
};

__attribute__((interrupt)) static void handle_step(struct step_frame *frame)
{
    (void)frame;
    steps++;
}

#define STEP_BEGIN "pushfl; orl $0x100, (%%esp); popfl; "
#define STEP_END   "; pushfl; andl $0xfffffeff, (%%esp); popfl"

/* The steps after the instructions, without the three of STEP_END. */
static bool stepped(u32 wanted)
{
    u32 count = steps - 3;

    steps = 0;
    if (count != wanted)
        print("# %u steps\n", count);
    return count == wanted;
}

static void step_over_registers(void)
{
    u32 from = (u32)APIC_BASE + APIC_ID, to, count = 3;

    interrupt_gate_set(VECTOR_DB, (uintptr_t)handle_step);
    __asm__ volatile(STEP_BEGIN "mov (%0), %%eax" STEP_END : : "r"(from) : "eax", "memory", "cc");
    ok(stepped(1), "a read is one step");
    __asm__ volatile(STEP_BEGIN "movl $0, (%0); nop" STEP_END : : "r"(APIC_BASE + APIC_TPR) : "memory", "cc");
    ok(stepped(2), "a write is one");
    to = 6 << 20;
    __asm__ volatile(STEP_BEGIN "rep movsl" STEP_END : "+S"(from), "+D"(to), "+c"(count) : : "memory", "cc");
    ok(stepped(3), "REP MOVS is one for each iteration");
    apic_write(APIC_ICR, ICR_FIXED | ICR_ASSERT | ICR_SELF | VECTOR_LOW);
    __asm__ volatile(STEP_BEGIN "sti; hlt; cli" STEP_END : : : "memory", "cc");
    ok(stepped(3) && this_processor()->counts[VECTOR_LOW] == 1, "STI, HLT, CLI are three; HLT does not wait any more");
}

/* An NMI to itself comes behind the shadow, once, and none is lost. */
static void nmis_in_shadows(void)
{
    struct processor *self = this_processor();
    u32 nmi = ICR_NMI | ICR_ASSERT, ss = 0x10;

    apic_write(APIC_ICR_HIGH, 0);
    __asm__ volatile("sti; mov %1, (%0); cli; nop" : : "r"(APIC_BASE + APIC_ICR), "r"(nmi) : "memory");
    ok(self->counts[VECTOR_NMI] == 1, "sent in the shadow of STI");
    __asm__ volatile("mov %2, %%ss; mov %1, (%0); nop" : : "r"(APIC_BASE + APIC_ICR), "r"(nmi), "r"(ss) : "memory");
    ok(self->counts[VECTOR_NMI] == 2, "sent in the shadow of MOV SS");
}

enum who { FIRST, NO_START, LAST, ALL };

static const struct {
    void (*way)(void);
    enum who who;
    unsigned tests;
} ways[] = {
    /* 0: timeout */ { spin, ALL, 0 },
    /* 1: halt */ { halt_for_ever, NO_START, 0 },
    /* 2: timeout */ { start_in_zeros, NO_START, 0 },
    /* 3: outside-memory */ { init_first, LAST, 0 },
    /* 4: exit 0 */ { apic_nonsense, FIRST, 1 },
    /* 5: exit 0 */ { ioapic_nonsense, FIRST, 1 },
    /* 6: exit 0 */ { base_moves, FIRST, 1 },
    /* 7: outside-memory */ { base_off, FIRST, 0 },
    /* 8: unsupported */ { across_end, LAST, 0 },
    /* 9: outside-memory */ { across_begin, LAST, 0 },
    /* 10: unsupported */ { across_end_writing, LAST, 0 },
    /* 11: unsupported */ { sse, LAST, 0 },
    /* 12: unsupported */ { fxsave, LAST, 0 },
    /* 13: unsupported */ { push, LAST, 0 },
    /* 14: unsupported */ { call, LAST, 0 },
    /* 15: unsupported */ { call_through, LAST, 0 },
    /* 16: unsupported */ { stack_for_exception, LAST, 0 },
    /* 17: unsupported */ { idt, LAST, 0 },
    /* 18: unsupported */ { gdt, LAST, 0 },
    /* 19: unsupported */ { page_tables, LAST, 0 },
    /* 20: outside-memory */ { execute, LAST, 0 },
    /* 21: outside-memory */ { ins, LAST, 0 },
    /* 22: outside-memory */ { outs, LAST, 0 },
    /* 23: triple-fault */ { triple_fault, LAST, 0 },
    /* 24: reset */ { reset_by_keyboard, LAST, 0 },
    /* 25: reset */ { reset_by_port_92, LAST, 0 },
    /* 26: power-off */ { power_off, LAST, 0 },
    /* 27: exit 0 */ { reset_by_nothing, LAST, 1 },
    /* 28: exit 3 */ { exit_3, ALL, 0 },
    /* 29: halt */ { halt_interruptible, ALL, 0 },
    /* 30: exit 0 */ { step_over_registers, FIRST, 4 },
    /* 31: exit 0 */ { nmis_in_shadows, FIRST, 2 },
};

/* The last one, while the first computes, and those between halt. */
static void run_on_last(void (*way)(void))
{
    if (processor_count == 1)
        way();
    __atomic_store_n(&processor_table[processor_count - 1].work, way, __ATOMIC_RELEASE);
    apic_send(processor_table[processor_count - 1].apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_WAKE);
    spin();
}

void stub_main(void)
{
    u32 how = (u32)argument("how", 0);

    if (how >= sizeof(ways) / sizeof(ways[0]))
        bail_out("there is no way %u", how);
    plan(ways[how].tests);
    if (ways[how].who == NO_START)
        ways[how].way();
    parallel_start();
    if (ways[how].who == FIRST)
        ways[how].way();
    else if (ways[how].who == ALL)
        run_on_all(ways[how].way);
    else
        run_on_last(ways[how].way);
}
