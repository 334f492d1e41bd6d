// SPDX-License-Identifier: GPL-2.0
/*
 * dma-bufs whose exporter is as much in the way as it may be: who prepares one for the CPU waits
 * for all fences in it with its reservation locked. Drivers of graphics do so.
 *
 * For the selftests submit_waiting and zip_submit_waiting: an ioctl 0 of /dev/accel_waiter returns
 * a new buffer of one page, an ioctl 1 how many tasks are waiting in that way.
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#define WAITER_NEW 0
#define WAITER_COUNT 1

static atomic_t waiting;

static int waiter_begin_cpu_access(struct dma_buf *buf, enum dma_data_direction direction)
{
	long left;
	int ret;

	ret = dma_resv_lock_interruptible(buf->resv, NULL);
	if (ret)
		return ret;
	atomic_inc(&waiting);
	left = dma_resv_wait_timeout(buf->resv, DMA_RESV_USAGE_READ, true, MAX_SCHEDULE_TIMEOUT);
	atomic_dec(&waiting);
	dma_resv_unlock(buf->resv);
	return left < 0 ? left : 0;
}

static struct sg_table *waiter_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction direction)
{
	struct sg_table *table = kmalloc_obj(*table, GFP_KERNEL);
	int ret;

	if (!table)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(table, 1, GFP_KERNEL);
	if (ret)
		goto err_free;
	sg_set_page(table->sgl, attachment->dmabuf->priv, PAGE_SIZE, 0);
	ret = dma_map_sgtable(attachment->dev, table, direction, 0);
	if (ret)
		goto err_table;
	return table;

err_table:
	sg_free_table(table);
err_free:
	kfree(table);
	return ERR_PTR(ret);
}

static void waiter_unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
			 enum dma_data_direction direction)
{
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
}

static int waiter_vmap(struct dma_buf *buf, struct iosys_map *map)
{
	iosys_map_set_vaddr(map, page_address(buf->priv));
	return 0;
}

static void waiter_release(struct dma_buf *buf)
{
	__free_page(buf->priv);
}

static const struct dma_buf_ops waiter_ops = {
	.begin_cpu_access = waiter_begin_cpu_access,
	.map_dma_buf = waiter_map,
	.unmap_dma_buf = waiter_unmap,
	.vmap = waiter_vmap,
	.release = waiter_release,
};

static long waiter_new(void)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *buf;
	int fd;

	info.ops = &waiter_ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR;
	info.priv = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!info.priv)
		return -ENOMEM;
	buf = dma_buf_export(&info);
	if (IS_ERR(buf)) {
		__free_page(info.priv);
		return PTR_ERR(buf);
	}
	fd = dma_buf_fd(buf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(buf);
	return fd;
}

static long waiter_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case WAITER_NEW:
		return waiter_new();
	case WAITER_COUNT:
		return atomic_read(&waiting);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations waiter_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = waiter_ioctl,
};

static struct miscdevice waiter_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "accel_waiter",
	.fops = &waiter_fops,
};

module_misc_device(waiter_device);

MODULE_AUTHOR("The accel developers");
MODULE_DESCRIPTION("dma-buf exporter that waits with reservations locked, for tests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
