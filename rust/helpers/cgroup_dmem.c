// SPDX-License-Identifier: GPL-2.0

#include <linux/cgroup_dmem.h>

#ifndef CONFIG_CGROUP_DMEM
__rust_helper struct dmem_cgroup_region *
rust_helper_dmem_cgroup_register_region(const struct dmem_cgroup_init *init,
					const char *name_fmt, ...)
{
	return dmem_cgroup_register_region(init, "%s", name_fmt);
}

__rust_helper void
rust_helper_dmem_cgroup_unregister_region(struct dmem_cgroup_region *region)
{
	dmem_cgroup_unregister_region(region);
}

__rust_helper int
rust_helper_dmem_cgroup_try_charge(struct dmem_cgroup_region *region, u64 size,
				   struct dmem_cgroup_pool_state **ret_pool,
				   struct dmem_cgroup_pool_state **ret_limit_pool)
{
	return dmem_cgroup_try_charge(region, size, ret_pool, ret_limit_pool);
}

__rust_helper void
rust_helper_dmem_cgroup_uncharge(struct dmem_cgroup_pool_state *pool, u64 size)
{
	dmem_cgroup_uncharge(pool, size);
}
#endif
