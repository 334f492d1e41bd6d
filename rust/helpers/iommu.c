// SPDX-License-Identifier: GPL-2.0

#include <linux/iommu.h>

#ifndef CONFIG_IOMMU_SVA
__rust_helper struct iommu_sva *
rust_helper_iommu_sva_bind_device(struct device *dev, struct mm_struct *mm)
{
	return iommu_sva_bind_device(dev, mm);
}

__rust_helper void rust_helper_iommu_sva_unbind_device(struct iommu_sva *handle)
{
	iommu_sva_unbind_device(handle);
}

__rust_helper u32 rust_helper_iommu_sva_get_pasid(struct iommu_sva *handle)
{
	return iommu_sva_get_pasid(handle);
}
#endif
