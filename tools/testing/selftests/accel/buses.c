// SPDX-License-Identifier: GPL-2.0
/*
 * Devices on the platform and on the auxiliary bus, by the sample driver
 * samples/rust/rust_driver_accel_buses.rs. A platform device that has no driver plays the chip,
 * which has a unit of its own and one on the auxiliary bus.
 *
 * accel-bench: modules=rust_driver_accel,rust_driver_accel_buses
 * accel-bench: kernel=plain,check,races limit=300
 */
#include "accel_util.h"

#define DRIVER "rust_driver_accel_buses"
#define PLATFORM "/sys/bus/platform"
#define AUXILIARY "/sys/bus/auxiliary"

/* One of the driver's devices, with a queue of which the page is mapped. */
struct unit {
	int number;
	int ctx;
	int queue;
	__u64 *page;
	struct accel_info_device device;
};

/* Whether the platform device @name has no driver, and can be given one by name. */
static bool is_free(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PLATFORM "/devices/%s/driver", name);
	if (!access(path, F_OK))
		return false;
	snprintf(path, sizeof(path), PLATFORM "/devices/%s/driver_override", name);
	return !access(path, W_OK);
}

static int find_free(char name[ACCEL_NAME_MAX])
{
	DIR *dir = opendir(PLATFORM "/devices");
	struct dirent *entry;
	int ret = -ENODEV;

	if (!dir)
		return -errno;
	while (ret && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= ACCEL_NAME_MAX)
			continue;
		if (is_free(entry->d_name)) {
			strcpy(name, entry->d_name);
			ret = 0;
		}
	}
	closedir(dir);
	return ret;
}

static int override_driver(const char *name, const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PLATFORM "/devices/%s/driver_override", name);
	return write_file(path, driver);
}

/* The number of the driver's device on @bus, or -ENODEV. */
static int unit_number(const char *bus, struct accel_info_device *device)
{
	int number, fd, ret;

	for (number = 0; number < 64; number++) {
		fd = accel_open_number("accel_monitor", number, O_RDONLY);
		if (fd < 0)
			continue;
		memset(device, 0, sizeof(*device));
		ret = accel_info_device(fd, device);
		close(fd);
		if (ret > 0 && !strcmp(device->driver, DRIVER) && !strcmp(device->bus, bus))
			return number;
	}
	return -ENODEV;
}

static int unit_open(struct unit *unit, const char *bus)
{
	struct accel_region ring;
	int ret;

	unit->number = unit_number(bus, &unit->device);
	unit->ctx = accel_open_number("accel", unit->number, O_RDWR);
	if (unit->ctx < 0)
		return unit->ctx;
	ret = accel_bind(unit->ctx, ACCEL_MODE_PRIVATE);
	if (ret)
		return ret;
	unit->queue = accel_queue_create(unit->ctx, 1);
	if (unit->queue < 0)
		return unit->queue;
	ret = accel_region(unit->queue, ACCEL_REGION_RING, &ring);
	if (ret)
		return ret;
	unit->page = accel_map_region(unit->queue, &ring);
	return map_error(unit->page);
}

static void unit_close(struct unit *unit)
{
	if (unit->page)
		munmap(unit->page, getpagesize());
	close(unit->queue);
	close(unit->ctx);
}

/* What everybody sees of a unit that is gone. */
static void expect_gone(struct __test_metadata *_metadata, struct unit *unit)
{
	struct accel_info_device device;

	EXPECT_TOUCH(SIGBUS, touch_read(unit->page), "the page of a device that is gone");
	EXPECT_RET(-ENODEV, accel_queue_create(unit->ctx, 1), "a queue of it");
	EXPECT_EQ(POLLERR | POLLHUP, poll_now(unit->queue, POLLIN)) {
		TH_LOG("expected: poll says error and hang-up");
	}
	EXPECT_RET(-ENODEV, unit_number(unit->device.bus, &device), "its nodes are gone");
}

FIXTURE(buses) {
	char chip[ACCEL_NAME_MAX];
	struct unit platform;
	struct unit auxiliary;
};

FIXTURE_SETUP(buses)
{
	ASSERT_RET(0, find_free(self->chip), "a platform device without a driver");
	ASSERT_RET(0, override_driver(self->chip, DRIVER), "name its driver");
	ASSERT_RET(0, write_file(PLATFORM "/drivers/" DRIVER "/bind", self->chip), "bind it");
	ASSERT_RET(0, unit_open(&self->platform, "platform"), "the unit on the platform bus");
	ASSERT_RET(0, unit_open(&self->auxiliary, "auxiliary"), "the one on the auxiliary bus");
}

FIXTURE_TEARDOWN(buses)
{
	unit_close(&self->platform);
	unit_close(&self->auxiliary);
	/* A test may have done that. */
	write_file(PLATFORM "/drivers/" DRIVER "/unbind", self->chip);
	EXPECT_RET(0, override_driver(self->chip, "\n"), "name no driver");
}

TEST_F(buses, devices_say_where_they_lie)
{
	EXPECT_STREQ(self->chip, self->platform.device.address);
	EXPECT_STREQ(DRIVER ".unit.0", self->auxiliary.device.address);
	EXPECT_STREQ("unit without a function", self->platform.device.name);
	EXPECT_STREQ("unit without a function", self->auxiliary.device.name);
}

TEST_F(buses, one_driver_serves_both)
{
	EXPECT_EQ(1, LOAD(*self->platform.page)) {
		TH_LOG("expected: the serial number of the unit on the platform bus");
	}
	EXPECT_EQ(2, LOAD(*self->auxiliary.page)) {
		TH_LOG("expected: the serial number that the chip's driver gave its second unit");
	}
}

TEST_F(buses, a_unit_goes_alone)
{
	const char *name = self->auxiliary.device.address;

	ASSERT_RET(0, write_file(AUXILIARY "/drivers/" DRIVER "." DRIVER "/unbind", name),
		   "unbind the unit on the auxiliary bus");
	expect_gone(_metadata, &self->auxiliary);
	EXPECT_TOUCH(0, touch_read(self->platform.page), "the page of the other unit");
	EXPECT_EQ(0, poll_now(self->platform.queue, POLLIN)) {
		TH_LOG("expected: the other unit's queue lives");
	}
	unit_close(&self->auxiliary);
	ASSERT_RET(0, write_file(AUXILIARY "/drivers/" DRIVER "." DRIVER "/bind", name),
		   "bind it again");
	ASSERT_RET(0, unit_open(&self->auxiliary, "auxiliary"), "open it again");
	EXPECT_EQ(2, LOAD(*self->auxiliary.page)) {
		TH_LOG("expected: its serial number");
	}
}

TEST_F(buses, a_chip_takes_its_units_along)
{
	ASSERT_RET(0, write_file(PLATFORM "/drivers/" DRIVER "/unbind", self->chip),
		   "unbind the chip while all is open");
	expect_gone(_metadata, &self->platform);
	expect_gone(_metadata, &self->auxiliary);
}

TEST_HARNESS_MAIN
