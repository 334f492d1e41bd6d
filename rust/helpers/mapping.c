// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>
#include <linux/pgtable.h>

__rust_helper pgprot_t rust_helper_pgprot_noncached(pgprot_t prot)
{
	return pgprot_noncached(prot);
}

#ifndef CONFIG_X86
__rust_helper pgprot_t rust_helper_pgprot_writecombine(pgprot_t prot)
{
	return pgprot_writecombine(prot);
}
#endif

__rust_helper pgprot_t rust_helper_page_kernel(void)
{
	return PAGE_KERNEL;
}

__rust_helper pgprot_t rust_helper_page_kernel_ro(void)
{
	return PAGE_KERNEL_RO;
}

__rust_helper unsigned long rust_helper_virt_to_pfn(const void *addr)
{
	return page_to_pfn(virt_to_page(addr));
}

#ifndef CONFIG_MMU
__rust_helper bool rust_helper_is_vmalloc_addr(const void *addr)
{
	return is_vmalloc_addr(addr);
}
#endif
