// SPDX-License-Identifier: GPL-2.0

#include <linux/io.h>

/*
 * Two neighbouring 64-bit registers, in one access where the architecture has
 * such: 64-bit Arm. Elsewhere the lower one goes first.
 */
#if defined(CONFIG_64BIT) && defined(CONFIG_HAS_IOMEM)
__rust_helper void rust_helper_readq_pair(const void __iomem *addr, u64 *pair)
{
#ifdef CONFIG_ARM64
	asm volatile("ldp %0, %1, [%2]\n"
		     "dmb oshld"
		     : "=&r" (pair[0]), "=&r" (pair[1])
		     : "r" (addr)
		     : "memory");
	pair[0] = le64_to_cpu((__force __le64)pair[0]);
	pair[1] = le64_to_cpu((__force __le64)pair[1]);
#else
	pair[0] = readq(addr);
	pair[1] = readq(addr + sizeof(u64));
#endif
}

__rust_helper void rust_helper_writeq_pair(u64 low, u64 high,
					   void __iomem *addr)
{
#ifdef CONFIG_ARM64
	asm volatile("dmb oshst\n"
		     "stp %0, %1, [%2]"
		     :
		     : "r" (cpu_to_le64(low)), "r" (cpu_to_le64(high)),
		       "r" (addr)
		     : "memory");
#else
	writeq(low, addr);
	writeq(high, addr + sizeof(u64));
#endif
}
#endif
