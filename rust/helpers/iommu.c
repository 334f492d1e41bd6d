// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-map-ops.h>
#include <linux/iommu.h>

__rust_helper bool rust_helper_dev_is_dma_coherent(struct device *dev)
{
	return dev_is_dma_coherent(dev);
}

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

#ifndef CONFIG_IOMMU_API
__rust_helper struct iommu_domain *
rust_helper_iommu_paging_domain_alloc_flags(struct device *dev,
					    unsigned int flags)
{
	return iommu_paging_domain_alloc_flags(dev, flags);
}

__rust_helper void rust_helper_iommu_domain_free(struct iommu_domain *domain)
{
	iommu_domain_free(domain);
}

__rust_helper u32 rust_helper_iommu_alloc_global_pasid(struct device *dev)
{
	return iommu_alloc_global_pasid(dev);
}

__rust_helper void rust_helper_iommu_free_global_pasid(u32 pasid)
{
	iommu_free_global_pasid(pasid);
}

__rust_helper int
rust_helper_iommu_attach_device_pasid(struct iommu_domain *domain,
				      struct device *dev, u32 pasid,
				      struct iommu_attach_handle *handle)
{
	return iommu_attach_device_pasid(domain, dev, pasid, handle);
}

__rust_helper void
rust_helper_iommu_detach_device_pasid(struct iommu_domain *domain,
				      struct device *dev, u32 pasid)
{
	iommu_detach_device_pasid(domain, dev, pasid);
}

__rust_helper int rust_helper_iommu_map(struct iommu_domain *domain,
					unsigned long iova, phys_addr_t paddr,
					size_t size, int prot, gfp_t gfp)
{
	return iommu_map(domain, iova, paddr, size, prot, gfp);
}

__rust_helper size_t rust_helper_iommu_unmap(struct iommu_domain *domain,
					     unsigned long iova, size_t size)
{
	return iommu_unmap(domain, iova, size);
}

__rust_helper struct iommu_domain *
rust_helper_iommu_get_domain_for_dev(struct device *dev)
{
	return iommu_get_domain_for_dev(dev);
}

__rust_helper phys_addr_t
rust_helper_iommu_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	return iommu_iova_to_phys(domain, iova);
}

__rust_helper void rust_helper_iommu_get_resv_regions(struct device *dev,
						      struct list_head *list)
{
	iommu_get_resv_regions(dev, list);
}

__rust_helper void rust_helper_iommu_put_resv_regions(struct device *dev,
						      struct list_head *list)
{
	iommu_put_resv_regions(dev, list);
}
#endif
