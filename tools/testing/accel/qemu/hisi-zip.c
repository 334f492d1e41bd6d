/* SPDX-License-Identifier: GPL-2.0 */
/*
 * HiSilicon ZIP engine: the part of it that is QEMU's.
 *
 * What the device does is the Rust model behind hisi_zip_model.h. Here it gets
 * configuration space, BARs, interrupts, threads and memory. Everything but
 * hisi_zip_run_task() runs under the BQL; a translation is used at once and
 * never kept, so that none can be stale.
 *
 * With clocked=on the device has nothing of the host's time: what it does comes
 * at fixed moments of the guest's clock, so that under -icount a guest runs the
 * same each time.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "block/thread-pool.h"
#include "exec/icount.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#include "hw/pci/pcie_port.h"
#include "hw/core/qdev-properties.h"
#include "migration/vmstate.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/system.h"
#include "qom/object.h"
#include "hisi_zip_model.h"

#define TYPE_HISI_ZIP "hisi-zip"
OBJECT_DECLARE_SIMPLE_TYPE(HisiZip, HISI_ZIP)

#define HISI_ZIP_VENDOR_ID 0x19e5
#define HISI_ZIP_DEVICE_ID 0xa250

enum {
    REVISION_ISOLATED = 0x30,
    VECTORS = 4,
    PASID_BITS = 20,
    PAGE_REQUESTS = 32,
    PAGE_BYTES = 4096,
    TICK_MS = 500,
    /* A guest that switched a slot off looks away from it for a second. */
    SHORTEST_ABSENCE_MS = 2000,
    /* With clocked=on: from an access to what comes of it; what a job takes. */
    STEP_NS = 500,
    JOB_NS = 20000,
    /* Of the test port: instructions that the guest has executed. */
    INSTRUCTIONS = 0x3ff028,
};

/* The model asks for register accesses by BAR number. */
typedef struct HisiZipBar {
    MemoryRegion mr;
    HisiZip *zip;
    unsigned number;
} HisiZipBar;

struct HisiZip {
    PCIDevice pdev;

    /* Properties. */
    uint8_t revision;
    uint16_t queues;
    bool faults;
    bool clocked;
    char *mild;
    uint64_t seed;
    char *stats;

    HisiZipModel *model;
    HisiZipBus bus;
    HisiZipBar registers;
    HisiZipBar doorbells;
    QEMUBH *bh;
    QEMUTimer *step_timer;
    QEMUTimer *timer;
    Notifier exit_notifier;
    IOMMUPRINotifier pri_notifier;
    GHashTable *pri_pasids;
    bool bus_master;

    /* Pulled out: nothing of the device answers any more. */
    bool absent;
    /* 0: for good. */
    uint32_t away_ms;
    QEMUTimer *return_timer;
};

typedef struct HisiZipJob {
    HisiZip *zip;
    HisiZipTask *task;
    QEMUTimer *timer;
} HisiZipJob;

/* Has the model go on soon. */
static void hisi_zip_schedule(HisiZip *s)
{
    if (!s->clocked) {
        qemu_bh_schedule(s->bh);
    } else if (!timer_pending(s->step_timer)) {
        timer_mod(s->step_timer,
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + STEP_NS);
    }
}

static bool hisi_zip_read(void *opaque, uint64_t addr, void *buf, size_t len)
{
    HisiZip *s = opaque;

    return pci_dma_read(&s->pdev, addr, buf, len) == MEMTX_OK;
}

static bool hisi_zip_write(void *opaque, uint64_t addr, const void *buf,
                           size_t len)
{
    HisiZip *s = opaque;

    /* A completion must not be seen before what it announces. */
    smp_wmb();
    return pci_dma_write(&s->pdev, addr, buf, len) == MEMTX_OK;
}

static int hisi_zip_translate(HisiZip *s, uint32_t pasid, uint64_t addr,
                              bool write, hwaddr *phys)
{
    IOMMUTLBEntry entry;
    uint32_t errors = 0;
    ssize_t n;

    n = pci_ats_request_translation(&s->pdev, pasid, false, false,
                                    addr & ~(uint64_t)(PAGE_BYTES - 1),
                                    PAGE_BYTES, !write, &entry, 1, &errors);
    if (n < 0) {
        return HISI_ZIP_REFUSED;
    }
    if (n != 1 || errors) {
        return HISI_ZIP_MISSING;
    }
    *phys =
        (entry.translated_addr & ~entry.addr_mask) | (addr & entry.addr_mask);
    return HISI_ZIP_DONE;
}

static int hisi_zip_read_data(void *opaque, uint32_t pasid, uint64_t addr,
                              void *buf, size_t len)
{
    hwaddr phys;
    int result = hisi_zip_translate(opaque, pasid, addr, false, &phys);

    if (result == HISI_ZIP_DONE &&
        address_space_read(&address_space_memory, phys, MEMTXATTRS_UNSPECIFIED,
                           buf, len) != MEMTX_OK) {
        return HISI_ZIP_REFUSED;
    }
    return result;
}

static int hisi_zip_write_data(void *opaque, uint32_t pasid, uint64_t addr,
                               const void *buf, size_t len)
{
    hwaddr phys;
    int result = hisi_zip_translate(opaque, pasid, addr, true, &phys);

    if (result == HISI_ZIP_DONE &&
        address_space_write(&address_space_memory, phys, MEMTXATTRS_UNSPECIFIED,
                            buf, len) != MEMTX_OK) {
        return HISI_ZIP_REFUSED;
    }
    return result;
}

/*
 * Called from the IOMMU's own register access: an MSI sent from here would be
 * dropped as re-entrant, hence the bottom half.
 */
static void hisi_zip_page_answer(IOMMUPRINotifier *n, IOMMUPRIResponse *answer)
{
    HisiZip *s = container_of(n, HisiZip, pri_notifier);

    hisi_zip_model_page_answer(s->model, answer->prgi,
                               answer->response_code == IOMMU_PRI_RESP_SUCCESS);
    hisi_zip_schedule(s);
}

static bool hisi_zip_expect_answers(HisiZip *s, uint32_t pasid)
{
    if (g_hash_table_contains(s->pri_pasids, GUINT_TO_POINTER(pasid))) {
        return true;
    }
    if (pci_pri_register_notifier(&s->pdev, pasid, &s->pri_notifier)) {
        return false;
    }
    g_hash_table_add(s->pri_pasids, GUINT_TO_POINTER(pasid));
    return true;
}

static int hisi_zip_request_page(void *opaque, uint32_t pasid, uint64_t page,
                                 bool write, uint16_t group)
{
    HisiZip *s = opaque;
    int ret;

    if (!hisi_zip_expect_answers(s, pasid)) {
        return HISI_ZIP_REFUSED;
    }
    ret = pci_pri_request_page(&s->pdev, pasid, false, false, page, true, group,
                               true, write);
    switch (ret) {
    case 0:
        return HISI_ZIP_SENT;
    case -ENOSPC:
        return HISI_ZIP_BUSY;
    default:
        return HISI_ZIP_REFUSED;
    }
}

static void hisi_zip_interrupt(void *opaque, unsigned vector)
{
    HisiZip *s = opaque;

    if (msi_enabled(&s->pdev) && vector < msi_nr_vectors_allocated(&s->pdev)) {
        msi_notify(&s->pdev, vector);
    }
}

static void hisi_zip_report_error(void *opaque, int error)
{
    HisiZip *s = opaque;
    PCIEAERErr err = { .source_id = pci_requester_id(&s->pdev) };

    switch (error) {
    case HISI_ZIP_CORRECTABLE:
        err.status = PCI_ERR_COR_BAD_TLP;
        err.flags = PCIE_AER_ERR_IS_CORRECTABLE;
        break;
    case HISI_ZIP_NON_FATAL:
        err.status = PCI_ERR_UNC_COMP_ABORT;
        break;
    default:
        err.status = PCI_ERR_UNC_MALF_TLP;
        break;
    }
    pcie_aer_inject_error(&s->pdev, &err);
}

/* What the slot tells of a card that went or came without being asked. */
static void hisi_zip_tell_slot(HisiZip *s, bool present)
{
    PCIDevice *port = pci_bridge_get_device(pci_get_bus(&s->pdev));
    uint8_t *cap;

    if (!port || !object_dynamic_cast(OBJECT(port), TYPE_PCIE_SLOT)) {
        return;
    }
    cap = port->config + port->exp.exp_cap;
    if (present) {
        pci_word_test_and_set_mask(cap + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS);
        pci_word_test_and_set_mask(cap + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_DLLLA);
    } else {
        pci_word_test_and_clear_mask(cap + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS);
        pci_word_test_and_clear_mask(cap + PCI_EXP_LNKSTA,
                                     PCI_EXP_LNKSTA_DLLLA);
    }
    pci_word_test_and_set_mask(cap + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDC);
    /*
     * A port with an attention button, as QEMU's are, has the guest mask all
     * other causes of its interrupt. The guest reads the rest meanwhile.
     */
    pcie_cap_slot_push_attention_button(port);
}

static void hisi_zip_unplug(void *opaque, uint32_t away_ms)
{
    HisiZip *s = opaque;

    s->absent = true;
    s->away_ms = away_ms;
    hisi_zip_tell_slot(s, false);
}

static void hisi_zip_set_revision(void *opaque, uint8_t revision)
{
    HisiZip *s = opaque;

    pci_config_set_revision(s->pdev.config, revision);
}

/* The reset gives the model back what hisi_zip_unplug() took. */
static void hisi_zip_return(void *opaque)
{
    HisiZip *s = opaque;

    s->absent = false;
    pci_device_reset(&s->pdev);
    hisi_zip_tell_slot(s, true);
}

static int hisi_zip_run_task(void *opaque)
{
    HisiZipJob *job = opaque;

    hisi_zip_task_run(job->task);
    return 0;
}

static void hisi_zip_task_done(void *opaque, int ret)
{
    HisiZipJob *job = opaque;
    HisiZip *s = job->zip;

    hisi_zip_model_computed(s->model, job->task);
    if (s->model) {
        hisi_zip_schedule(s);
    }
    object_unref(OBJECT(s));
    timer_free(job->timer);
    g_free(job);
}

static void hisi_zip_task_due(void *opaque)
{
    hisi_zip_task_done(opaque, hisi_zip_run_task(opaque));
}

static void hisi_zip_compute(void *opaque, HisiZipTask *task)
{
    HisiZip *s = opaque;
    HisiZipJob *job = g_new0(HisiZipJob, 1);

    job->zip = s;
    job->task = task;
    object_ref(OBJECT(s));
    if (s->clocked) {
        job->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, hisi_zip_task_due, job);
        timer_mod(job->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + JOB_NS);
        return;
    }
    thread_pool_submit_aio(hisi_zip_run_task, job, hisi_zip_task_done, job);
}

static void hisi_zip_bh(void *opaque)
{
    HisiZip *s = opaque;

    if (hisi_zip_model_step(s->model, &s->bus)) {
        hisi_zip_schedule(s);
    }
}

static void hisi_zip_tick(void *opaque)
{
    HisiZip *s = opaque;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);

    hisi_zip_model_tick(s->model, now);
    hisi_zip_schedule(s);
    timer_mod(s->timer, now + TICK_MS);
}

static void hisi_zip_at_exit(Notifier *n, void *data)
{
    HisiZip *s = container_of(n, HisiZip, exit_notifier);

    hisi_zip_model_tick(s->model, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL));
    hisi_zip_model_leave(s->model);
}

static uint64_t hisi_zip_bar_read(void *opaque, hwaddr addr, unsigned size)
{
    HisiZipBar *bar = opaque;

    if (bar->zip->faults && bar->number == 2 && addr == INSTRUCTIONS) {
        return icount_enabled() ? icount_get_raw() : 0;
    }
    return hisi_zip_model_read(bar->zip->model, bar->number, addr, size);
}

static void hisi_zip_bar_write(void *opaque, hwaddr addr, uint64_t value,
                               unsigned size)
{
    HisiZipBar *bar = opaque;

    hisi_zip_model_write(bar->zip->model, bar->number, addr, size, value);
    hisi_zip_model_write_back(bar->zip->model, &bar->zip->bus);
    hisi_zip_schedule(bar->zip);
}

static const MemoryRegionOps hisi_zip_bar_ops = {
    .read = hisi_zip_bar_read,
    .write = hisi_zip_bar_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

static uint32_t hisi_zip_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
    return HISI_ZIP(pdev)->absent ? UINT32_MAX
                                  : pci_default_read_config(pdev, addr, len);
}

static bool hisi_zip_sleeps(PCIDevice *pdev)
{
    return pci_get_word(pdev->config + pdev->pm_cap + PCI_PM_CTRL) &
           PCI_PM_CTRL_STATE_MASK;
}

static void hisi_zip_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                                  int len)
{
    HisiZip *s = HISI_ZIP(pdev);
    bool slept = hisi_zip_sleeps(pdev), master;

    if (s->absent) {
        return;
    }
    pci_default_write_config(pdev, addr, val, len);
    pcie_aer_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);

    master = pci_get_word(pdev->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
    if (master != s->bus_master) {
        s->bus_master = master;
        hisi_zip_model_set_bus_master(s->model, master);
        hisi_zip_schedule(s);
    }
    if (slept && !hisi_zip_sleeps(pdev)) {
        hisi_zip_model_power_up(s->model);
        hisi_zip_schedule(s);
    }
}

/* What pci_device_reset() leaves alone. */
static void hisi_zip_reset_capabilities(PCIDevice *pdev)
{
    pcie_cap_deverr_reset(pdev);
    pci_set_word(pdev->config + pdev->exp.ats_cap + PCI_ATS_CTRL, 0);
    pci_set_word(pdev->config + pdev->exp.pasid_cap + PCI_PASID_CTRL, 0);
    pci_set_word(pdev->config + pdev->exp.pri_cap + PCI_PRI_CTRL, 0);
    pci_set_long(pdev->config + pdev->exp.pri_cap + PCI_PRI_ALLOC_REQ, 0);
}

/* QEMU resets what is in a slot when the guest switches the slot off. */
static void hisi_zip_reset_slot(HisiZip *s)
{
    if (s->away_ms && !s->pdev.enabled) {
        timer_mod(s->return_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) +
                                       MAX(s->away_ms, SHORTEST_ABSENCE_MS));
    }
}

static void hisi_zip_reset_hold(Object *obj, ResetType type)
{
    HisiZip *s = HISI_ZIP(obj);
    PCIDevice *pdev = &s->pdev;
    uint8_t *devctl = pdev->config + pdev->exp.exp_cap + PCI_EXP_DEVCTL;

    if (s->absent) {
        hisi_zip_reset_slot(s);
        return;
    }
    s->bus_master = false;
    hisi_zip_reset_capabilities(pdev);
    hisi_zip_model_reset(s->model,
                         pci_get_word(devctl) & PCI_EXP_DEVCTL_BCR_FLR);
}

static void hisi_zip_add_bar(HisiZip *s, HisiZipBar *bar, unsigned number,
                             const char *name, uint64_t size)
{
    bar->zip = s;
    bar->number = number;
    memory_region_init_io(&bar->mr, OBJECT(s), &hisi_zip_bar_ops, bar, name,
                          size);
    pci_register_bar(&s->pdev, number,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                         PCI_BASE_ADDRESS_MEM_TYPE_64 |
                         PCI_BASE_ADDRESS_MEM_PREFETCH,
                     &bar->mr);
}

/* What is in the configuration space stays there in D3hot. */
static bool hisi_zip_add_power_management(PCIDevice *pdev, Error **errp)
{
    if (pci_pm_init(pdev, 0, errp) < 0) {
        return false;
    }
    pci_set_word(pdev->config + pdev->pm_cap + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(pdev->config + pdev->pm_cap + PCI_PM_CTRL,
                 PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(pdev->wmask + pdev->pm_cap + PCI_PM_CTRL,
                 PCI_PM_CTRL_STATE_MASK);
    return true;
}

static bool hisi_zip_add_capabilities(PCIDevice *pdev, Error **errp)
{
    uint16_t offset = PCI_CONFIG_SPACE_SIZE;

    if (pcie_endpoint_cap_init(pdev, 0) < 0) {
        error_setg(errp, "hisi-zip: no room for the PCI Express capability");
        return false;
    }
    pcie_cap_flr_init(pdev);
    pcie_cap_deverr_init(pdev);
    if (!hisi_zip_add_power_management(pdev, errp)) {
        return false;
    }
    if (msi_init(pdev, 0, VECTORS, true, true, errp)) {
        return false;
    }
    pcie_ats_init(pdev, offset, true);
    offset += PCI_EXT_CAP_ATS_SIZEOF;
    pcie_pasid_init(pdev, offset, PASID_BITS, false, false);
    offset += PCI_EXT_CAP_PASID_SIZEOF;
    pcie_pri_init(pdev, offset, PAGE_REQUESTS, true);
    offset += PCI_EXT_CAP_PRI_SIZEOF;
    return !pcie_aer_init(pdev, PCI_ERR_VER, offset, PCI_ERR_SIZEOF, errp);
}

static void hisi_zip_init_bus(HisiZip *s)
{
    s->bus = (HisiZipBus){
        .opaque = s,
        .read = hisi_zip_read,
        .write = hisi_zip_write,
        .read_data = hisi_zip_read_data,
        .write_data = hisi_zip_write_data,
        .request_page = hisi_zip_request_page,
        .interrupt = hisi_zip_interrupt,
        .report_error = hisi_zip_report_error,
        .unplug = hisi_zip_unplug,
        .set_revision = hisi_zip_set_revision,
        .compute = hisi_zip_compute,
    };
    s->pri_notifier.notify = hisi_zip_page_answer;
    s->pri_pasids = g_hash_table_new(NULL, NULL);
}

static void hisi_zip_realize(PCIDevice *pdev, Error **errp)
{
    HisiZip *s = HISI_ZIP(pdev);
    /* Other functions could have some of them. */
    uint64_t doorbells = pow2ceil(2 * s->queues) * 64 * KiB;

    /* A guest that runs the same each time has the same device, too. */
    s->model = hisi_zip_model_new(s->revision, s->queues, s->faults, s->mild,
                                  s->seed ?: s->clocked, s->stats);
    if (!s->model) {
        error_setg(errp, "hisi-zip: revision must be 0x21 or 0x30, "
                         "queues 2 to 1024, mild names of readings");
        return;
    }
    if (!hisi_zip_add_capabilities(pdev, errp)) {
        hisi_zip_model_free(g_steal_pointer(&s->model));
        return;
    }
    pci_config_set_revision(pdev->config, s->revision);
    hisi_zip_add_bar(s, &s->registers, 2, "hisi-zip-registers", 4 * MiB);
    if (s->revision >= REVISION_ISOLATED) {
        hisi_zip_add_bar(s, &s->doorbells, 4, "hisi-zip-doorbells", doorbells);
    }
    hisi_zip_init_bus(s);
    s->bh = qemu_bh_new_guarded(hisi_zip_bh, s,
                                &DEVICE(pdev)->mem_reentrancy_guard);
    s->step_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, hisi_zip_bh, s);
    s->timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, hisi_zip_tick, s);
    s->return_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, hisi_zip_return, s);
    timer_mod(s->timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + TICK_MS);
    s->exit_notifier.notify = hisi_zip_at_exit;
    qemu_add_exit_notifier(&s->exit_notifier);
}

static void hisi_zip_expect_no_answers(gpointer pasid, gpointer value,
                                       gpointer opaque)
{
    pci_pri_unregister_notifier(opaque, GPOINTER_TO_UINT(pasid));
}

static void hisi_zip_exit(PCIDevice *pdev)
{
    HisiZip *s = HISI_ZIP(pdev);

    g_hash_table_foreach(s->pri_pasids, hisi_zip_expect_no_answers, pdev);
    qemu_remove_exit_notifier(&s->exit_notifier);
    timer_free(s->step_timer);
    timer_free(s->timer);
    timer_free(s->return_timer);
    qemu_bh_delete(s->bh);
    /* Tasks under way come back to no model. */
    hisi_zip_model_free(g_steal_pointer(&s->model));
    g_hash_table_destroy(s->pri_pasids);
    pcie_aer_exit(pdev);
    msi_uninit(pdev);
}

static const Property hisi_zip_properties[] = {
    DEFINE_PROP_UINT8("revision", HisiZip, revision, REVISION_ISOLATED),
    DEFINE_PROP_UINT16("queues", HisiZip, queues, 64),
    DEFINE_PROP_BOOL("faults", HisiZip, faults, false),
    DEFINE_PROP_BOOL("clocked", HisiZip, clocked, false),
    DEFINE_PROP_STRING("mild", HisiZip, mild),
    DEFINE_PROP_UINT64("seed", HisiZip, seed, 0),
    DEFINE_PROP_STRING("stats", HisiZip, stats),
};

/* Neither streams nor tasks under way can be taken elsewhere. */
static const VMStateDescription hisi_zip_vmstate = {
    .name = TYPE_HISI_ZIP,
    .unmigratable = 1,
};

static void hisi_zip_class_init(ObjectClass *klass, const void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);
    DeviceClass *dc = DEVICE_CLASS(klass);

    pc->realize = hisi_zip_realize;
    pc->exit = hisi_zip_exit;
    pc->config_read = hisi_zip_config_read;
    pc->config_write = hisi_zip_config_write;
    pc->vendor_id = HISI_ZIP_VENDOR_ID;
    pc->device_id = HISI_ZIP_DEVICE_ID;
    pc->class_id = PCI_CLASS_PROCESSOR_CO;
    rc->phases.hold = hisi_zip_reset_hold;
    dc->vmsd = &hisi_zip_vmstate;
    dc->desc = "HiSilicon ZIP engine";
    device_class_set_props(dc, hisi_zip_properties);
}

static const TypeInfo hisi_zip_types[] = { {
    .name = TYPE_HISI_ZIP,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(HisiZip),
    .class_init = hisi_zip_class_init,
    .interfaces = (const InterfaceInfo[]){ { INTERFACE_PCIE_DEVICE }, {} },
} };

DEFINE_TYPES(hisi_zip_types)
