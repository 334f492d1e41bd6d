// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>

#ifdef CONFIG_DMA_SHARED_BUFFER
__rust_helper void rust_helper_get_dma_buf(struct dma_buf *dmabuf)
{
	get_dma_buf(dmabuf);
}
#endif

__rust_helper unsigned int rust_helper_dma_get_max_seg_size(struct device *dev)
{
	return dma_get_max_seg_size(dev);
}

__rust_helper void
rust_helper_dma_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
				     enum dma_data_direction dir)
{
	dma_sync_sgtable_for_cpu(dev, sgt, dir);
}

__rust_helper void
rust_helper_dma_sync_sgtable_for_device(struct device *dev,
					struct sg_table *sgt,
					enum dma_data_direction dir)
{
	dma_sync_sgtable_for_device(dev, sgt, dir);
}

__rust_helper const struct dma_map_ops *
rust_helper_get_dma_ops(struct device *dev)
{
	return get_dma_ops(dev);
}

__rust_helper phys_addr_t rust_helper_dma_to_phys(struct device *dev,
						  dma_addr_t addr)
{
	return dma_to_phys(dev, addr);
}

__rust_helper bool rust_helper_use_dma_iommu(struct device *dev)
{
	return use_dma_iommu(dev);
}
