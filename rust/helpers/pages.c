// SPDX-License-Identifier: GPL-2.0

#include <linux/cred.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

__rust_helper unsigned long rust_helper_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

__rust_helper s64 rust_helper_mm_add_pinned(struct mm_struct *mm, s64 pages)
{
	return atomic64_add_return(pages, &mm->pinned_vm);
}

__rust_helper struct user_struct *rust_helper_get_current_user(void)
{
	return get_current_user();
}

__rust_helper unsigned long rust_helper_rlimit(unsigned int limit)
{
	return rlimit(limit);
}

__rust_helper unsigned long rust_helper_totalram_pages(void)
{
	return totalram_pages();
}

__rust_helper bool rust_helper_dma_addressing_limited(struct device *dev)
{
	return dma_addressing_limited(dev);
}

__rust_helper u64 rust_helper_dma_get_mask(struct device *dev)
{
	return dma_get_mask(dev);
}

__rust_helper void rust_helper_cond_resched(void)
{
	cond_resched();
}
