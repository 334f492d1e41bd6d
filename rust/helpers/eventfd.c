// SPDX-License-Identifier: GPL-2.0

#include <linux/eventfd.h>

__rust_helper void rust_helper_eventfd_signal(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx);
}

#ifndef CONFIG_EVENTFD
__rust_helper struct eventfd_ctx *rust_helper_eventfd_ctx_fdget(int fd)
{
	return eventfd_ctx_fdget(fd);
}

__rust_helper void rust_helper_eventfd_ctx_put(struct eventfd_ctx *ctx)
{
	eventfd_ctx_put(ctx);
}
#endif
