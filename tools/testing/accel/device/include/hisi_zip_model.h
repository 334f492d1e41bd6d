/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C interface of the model of a HiSilicon ZIP engine (src/ffi.rs).
 *
 * All functions but hisi_zip_task_run() are called with one lock held.
 */
#ifndef HISI_ZIP_MODEL_H
#define HISI_ZIP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HisiZipModel HisiZipModel;
typedef struct HisiZipTask HisiZipTask;

/* Results of data accesses and of page requests. */
enum {
    HISI_ZIP_DONE = 0,
    HISI_ZIP_MISSING = 1,
    HISI_ZIP_REFUSED = 2,
    HISI_ZIP_SENT = 0,
    HISI_ZIP_BUSY = 1,
};

/* Errors as PCI Express sorts them. */
enum {
    HISI_ZIP_CORRECTABLE = 0,
    HISI_ZIP_NON_FATAL = 1,
    HISI_ZIP_FATAL = 2,
};

/* What the model calls during hisi_zip_model_step(); of it, read and write
 * during hisi_zip_model_write_back(). */
typedef struct HisiZipBus {
    void *opaque;
    /* Access by the function's own id; false if the IOMMU refuses. */
    bool (*read)(void *opaque, uint64_t addr, void *buf, size_t len);
    bool (*write)(void *opaque, uint64_t addr, const void *buf, size_t len);
    /* Access under a PASID, within one page; DONE, MISSING or REFUSED. */
    int (*read_data)(void *opaque, uint32_t pasid, uint64_t addr, void *buf,
                     size_t len);
    int (*write_data)(void *opaque, uint32_t pasid, uint64_t addr,
                      const void *buf, size_t len);
    /* SENT, BUSY or REFUSED; answered by hisi_zip_model_page_answer(). */
    int (*request_page)(void *opaque, uint32_t pasid, uint64_t page, bool write,
                        uint16_t group);
    void (*interrupt)(void *opaque, unsigned vector);
    /* By Advanced Error Reporting: CORRECTABLE, NON_FATAL or FATAL. */
    void (*report_error)(void *opaque, int error);
    /*
     * Pull the device out of its slot. It is back, and reset, away_ms after
     * the slot was switched off; never if that is 0. Until then no reset.
     */
    void (*unplug)(void *opaque, uint32_t away_ms);
    /* Have the configuration space tell another revision. */
    void (*set_revision)(void *opaque, uint8_t revision);
    /* Run it somewhere, then give it to hisi_zip_model_computed(). */
    void (*compute)(void *opaque, HisiZipTask *task);
} HisiZipBus;

/*
 * NULL if the revision, the number of queues or a name in mild is none that
 * there is. mild and stats may be NULL; seed 0 is another one each time.
 */
HisiZipModel *hisi_zip_model_new(uint8_t revision, uint16_t queues, bool faults,
                                 const char *mild, uint64_t seed,
                                 const char *stats);
void hisi_zip_model_free(HisiZipModel *model);
uint64_t hisi_zip_model_read(HisiZipModel *model, unsigned bar, uint64_t offset,
                             unsigned size);
void hisi_zip_model_write(HisiZipModel *model, unsigned bar, uint64_t offset,
                          unsigned size, uint64_t value);
/* To be called after it: of what a write asks for, drivers wait for this in a
 * loop that is short. */
void hisi_zip_model_write_back(HisiZipModel *model, const HisiZipBus *bus);
/* Returns whether more can be done at once. */
bool hisi_zip_model_step(HisiZipModel *model, const HisiZipBus *bus);
void hisi_zip_model_page_answer(HisiZipModel *model, uint16_t group,
                                bool granted);
void hisi_zip_model_reset(HisiZipModel *model, bool function);
/* It goes from D3hot to D0. */
void hisi_zip_model_power_up(HisiZipModel *model);
/* The machine goes off. */
void hisi_zip_model_leave(HisiZipModel *model);
void hisi_zip_model_set_bus_master(HisiZipModel *model, bool on);
void hisi_zip_model_tick(HisiZipModel *model, uint64_t now_ms);
void hisi_zip_task_run(HisiZipTask *task);
/* Takes the task; model may be NULL. */
void hisi_zip_model_computed(HisiZipModel *model, HisiZipTask *task);

#endif
