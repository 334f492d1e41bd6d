/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of the core that run on each kind of device that there is. */
#ifndef DEVICE_UTIL_H
#define DEVICE_UTIL_H

#include "hisi_zip_util.h"
#include "sim_util.h"

/* The variants of a fixture; its setup begins with SETUP_DEVICE. */
#define ON_EACH_DEVICE(fixture) \
	FIXTURE_VARIANT(fixture) \
	{ \
		const struct accel_kind *kind; \
	}; \
	FIXTURE_VARIANT_ADD(fixture, hisi_zip) \
	{ \
		.kind = &zip_kind, \
	}; \
	FIXTURE_VARIANT_ADD(fixture, sim) \
	{ \
		.kind = &sim_kind, \
	}

#define SETUP_DEVICE(device_kind) \
	do { \
		tested = (device_kind); \
		if (accel_number() < 0) \
			SKIP(return, ACCEL_MISSING, tested->driver, \
			     ret_name(accel_number()), tested->driver); \
	} while (0)

#endif /* DEVICE_UTIL_H */
