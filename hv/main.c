/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's course from the handoff to power-off. Called by arch/x86/entry.nasm on the boot stack. */
#include "hv/main.h"

#include "arch/x86/cpu.h"
#include "arch/x86/firmware.h"
#include "arch/x86/irq.h"
#include "arch/x86/paging.h"
#include "arch/x86/panic.h"
#include "arch/x86/processor.h"
#include "arch/x86/processor_start.h"
#include "arch/x86/serial.h"
#include "arch/x86/start.h"
#include "arch/x86/vmx.h"
#include "hv/background.h"
#include "hv/console.h"
#include "hv/gdb.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/memory_setup.h"
#include "hv/report.h"
#include "hv/screen.h"
#include "hv/script.h"
#include "hv/task.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "mm/frame.h"
#include "mm/port.h"

static struct vm *vms[CONF_MAX_GUESTS];
static unsigned vm_count;
static enum conf_at_end at_end = AT_END_HALT; /* until the configuration is known */

/* Pieces stay whole. A report of a panic takes no lock: whoever has it is stopped, perhaps in the middle of a line. */
static void write_to_devices(const char *text, size_t length)
{
    static bool line_is_open;

    if (panic_is_reporting()) {
        if (line_is_open)
            serial_write("\n", 1);
        line_is_open = false;
        console_end_row();
        serial_write(text, length);
        screen_write(text, length);
        return;
    }
    spin_lock(&console_lock);
    line_is_open = true;
    console_write(text, length);
    screen_write(text, length);
    line_is_open = false;
    spin_unlock(&console_lock);
}

static _Noreturn void reboot(void)
{
    firmware_reset(FIRMWARE_RESET_COLD);
}

/* What at-end asks for. */
static void (*end_of_run(void))(void)
{
    return at_end == AT_END_HALT ? firmware_halt : at_end == AT_END_REBOOT ? reboot : firmware_power_off;
}

static _Noreturn void end_run(void)
{
    end_of_run()();
    __builtin_unreachable();
}

static _Noreturn void stop(const char *reason)
{
    log_line("result: stopped (%s)", reason);
    end_run();
}

static const struct boot_file *find_file(const struct boot_info *info, const char *path)
{
    const struct boot_file *files = phys_to_virt((hpa_t){ info->files });

    for (u32 i = 0; i < info->file_count; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

/* The file's content; false and a problem in words if it is not there. */
static bool get_file(const struct boot_info *info, const char *path, struct image *image, char *problem, size_t size)
{
    static const char *const states[] = {
        [BOOT_FILE_MISSING] = "not found on the boot volume",
        [BOOT_FILE_EMPTY] = "the file is empty",
        [BOOT_FILE_NO_MEMORY] = "no memory to read it",
        [BOOT_FILE_ERROR] = "the firmware could not read it",
    };
    const struct boot_file *file = find_file(info, path);

    if (!file || file->state != BOOT_FILE_READ) {
        format_text(problem, size, "%s: %s", path, states[file ? file->state : BOOT_FILE_MISSING]);
        return false;
    }
    *image = (struct image){ phys_to_virt((hpa_t){ file->base }), file->size };
    return true;
}

static void create_guest(const struct boot_info *info, const struct guest_conf *conf)
{
    struct vm_files files = { 0 };
    char problem[VCPU_END_TEXT];
    unsigned order = frame_order(sizeof(struct vm));
    pfn_t frame;

    if (frame_alloc(order, FRAME_CONTROL, &frame))
        stop("no memory for the guests' records");
    bool ok = get_file(info, conf->image, &files.image, problem, sizeof(problem));
    for (u32 i = 0; i < conf->module_count && ok; i++)
        ok = get_file(info, conf->modules[i].path, &files.modules[i], problem, sizeof(problem));
    files.problem = ok ? NULL : problem;

    struct vm *vm = port_frame_address(frame);
    vms[vm_count++] = vm;
    vm_list_add(vm);
    vm_create(vm, conf, &files);
    if (!vm->runs)
        vm_log_end(vm);
    else
        vm_start(vm);
}

static void set_environment(const struct boot_info *info, const struct slat_conf *conf)
{
    struct vm_environment environment = {
        .tsc_hz = info->tsc_hz,
        .unix_time = info->unix_time,
        .tsc_epoch = info->tsc_at_entry,
        .slice_ticks = info->tsc_hz * conf->slice_us / 1000000,
        .audit = conf->audit,
    };

    for (u32 i = 0; i < conf->guest_count; i++) {
        unsigned length = (unsigned)strlen(conf->guests[i].name);
        environment.name_width = length > environment.name_width ? length : environment.name_width;
    }
    vm_set_environment(&environment);
}

static void report_machine(const struct boot_info *info, const struct mm_caps *caps)
{
    struct frame_stats stats = frame_get_stats();

    log_line("processor: EPT %s%s%s, %s; TSC %llu MHz%s%s", vmx_caps.page_1g ? "1G " : "",
             vmx_caps.page_2m ? "2M " : "", "4K",
             vmx_caps.unrestricted ? "unrestricted guest" : "no unrestricted guest",
             (unsigned long long)(info->tsc_hz + 500000) / 1000000, vmx_caps.missing[0] ? "; does without " : "",
             vmx_caps.missing);
    log_line("%u processor%s", processor_count(), processor_count() == 1 ? "" : "s");
    if (caps->nx_large)
        log_line("large pages are not executable (iTLB multihit)");
    log_line("memory: %llu MiB free for guests", (unsigned long long)(stats.free << PAGE_SHIFT) >> 20);
}

static void start_processors(const struct boot_info *info, const struct slat_conf *conf)
{
    hpa_t pages;

    if (memory_setup_low_pages(info, PROCESSOR_START_PAGES, &pages))
        log_line("one processor only: there is no memory below 1 MiB to start the others");
    else
        processors_start(pages, conf->processors, task_serve);
}

static bool wants_nx_large(const struct slat_conf *conf)
{
    switch ((enum conf_choice)conf->nx_large_pages) {
    case CHOICE_YES:
        return true;
    case CHOICE_NO:
        return false;
    default:
        return arch_needs_nx_large();
    }
}

/* The width of the code that a gdb takes for the guest's: of an ELF image that of the file; else the guest's mode says it. */
static enum gdb_width code_width(const struct boot_info *info, const struct guest_conf *conf)
{
    char problem[VCPU_END_TEXT];
    struct image image;

    if (get_file(info, conf->image, &image, problem, sizeof(problem)))
        return gdb_width_of_image(image.data, image.size);
    return GDB_WIDTH_AUTO;
}

static int start_debugger(const struct boot_info *info, const struct slat_conf *conf)
{
    struct vm *vm = conf->gdb[0] ? vm_list_find(conf->gdb) : NULL;

    return vm ? gdb_start(vm, code_width(info, &vm->conf), info->tsc_hz) : 0;
}

/* How long it took from the firmware's call to the first instruction of a guest, in TSC ticks (instructions in Bochs). */
static void report_start(u64 tsc_at_entry)
{
    u64 first = 0;

    for (unsigned i = 0; i < vm_count; i++) {
        u64 tsc = vms[i]->epoch;
        if (tsc && (!first || tsc < first))
            first = tsc;
    }
    if (first) {
        log_line("first guest instruction %llu ticks after EFI entry; slat's own memory: %llu KiB",
                 (unsigned long long)(first - tsc_at_entry), (unsigned long long)memory_setup_own_bytes() >> 10);
    }
}

/* Everything that guests had must have come back. */
static void destroy_guests(void)
{
    for (unsigned i = 0; i < vm_count; i++)
        vm_destroy(vms[i]);
    struct frame_stats stats = frame_get_stats();
    if (stats.used[FRAME_GUEST] || stats.used[FRAME_TABLE]) {
        panic("%llu guest frames and %llu tables were not given back", (unsigned long long)stats.used[FRAME_GUEST],
              (unsigned long long)stats.used[FRAME_TABLE]);
    }
}

static void check_boot_info(const struct boot_info *info)
{
    if (info->magic != BOOT_INFO_MAGIC || info->version != BOOT_INFO_VERSION || info->size != sizeof(*info))
        stop("the boot application is of another version than the hypervisor");
}

_Noreturn void hv_main(const struct boot_info *info)
{
    char reason[VMX_REASON_SIZE];
    struct mm_caps caps;

    serial_init();
    log_set_sink(write_to_devices);
    check_boot_info(info);
    arch_start_early(info);

    const struct slat_conf *conf = phys_to_virt((hpa_t){ info->conf });
    at_end = (enum conf_at_end)conf->at_end;
    panic_set_end(end_of_run());
    if (memory_setup(info))
        stop("the machine has no free memory");
    if (!screen_init(&info->framebuffer) && info->framebuffer.format != FRAMEBUFFER_NONE)
        log_line("no lines on the screen: what the firmware says about it cannot be used");
    if (arch_start(&caps, reason))
        stop(reason);
    if (conf->apic_virtualization == CHOICE_NO)
        vmx_caps_forgo_apic(&vmx_caps);
    caps.nx_large = wants_nx_large(conf);
    mm_init(&caps);
    start_processors(info, conf);
    report_machine(info, &caps);
    set_environment(info, conf);
    for (u32 i = 0; i < conf->guest_count; i++)
        create_guest(info, &conf->guests[i]);
    if (background_start() || script_start(conf) || console_start((enum conf_choice)conf->console, info->tsc_hz))
        stop("no memory for the monitor");
    if (start_debugger(info, conf))
        stop("no memory for the debugger");
    /* Without it a text that is pasted would come faster than the console's task looks. */
    if (conf->console != CHOICE_NO && irq_route(SERIAL_IRQ, console_interrupt) == 0)
        serial_enable_receive_interrupt();
    u64 tsc_at_entry = info->tsc_at_entry;
    memory_setup_free_boot_data(info);

    task_run_all();

    report_start(tsc_at_entry);
    unsigned failed = report_guests(vms, vm_count), failed_commands = script_report();
    destroy_guests();
    arch_stop();
    if (failed)
        log_line("result: fail (%u of %u guests did not end as expected)", failed, vm_count);
    else if (failed_commands)
        log_line("result: fail (%u commands of the script failed)", failed_commands);
    else
        log_line("result: pass (%u of %u guests ended as expected)", vm_count, vm_count);
    end_run();
}
