// SPDX-License-Identifier: GPL-2.0

//! What a process may do that others may not.
//!
//! All capabilities are looked for in the initial user namespace: they are about the machine, and
//! what root of a container has does not count.
//!
//! C header: [`include/linux/capability.h`](srctree/include/linux/capability.h)

use crate::{
    bindings,
    prelude::*, //
};

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// `CAP_SYS_ADMIN`: administration of the system.
    SysAdmin,
    /// `CAP_SYS_NICE`: to go before others.
    SysNice,
    /// `CAP_IPC_LOCK`: to lock more memory than the limit allows.
    IpcLock,
    /// `CAP_SYS_RESOURCE`: to have more of something than is one's share.
    SysResource,
    /// `CAP_PERFMON`: to look at what others do. [`SysAdmin`](Self::SysAdmin) includes it.
    Perfmon,
}

impl Cap {
    /// The capabilities each of which is enough.
    fn any_of(self) -> &'static [u32] {
        match self {
            Self::SysAdmin => &[bindings::CAP_SYS_ADMIN],
            Self::SysNice => &[bindings::CAP_SYS_NICE],
            Self::IpcLock => &[bindings::CAP_IPC_LOCK],
            Self::SysResource => &[bindings::CAP_SYS_RESOURCE],
            Self::Perfmon => &[bindings::CAP_PERFMON, bindings::CAP_SYS_ADMIN],
        }
    }
}

/// Whether the current task has a capability.
///
/// Ask when the answer decides, and not before: the task is marked as one that has used it, and a
/// security module may log that it was refused. Process context; in a kernel thread the answer is
/// about the kernel, which may do all, whichever process it works for.
///
/// # Examples
///
/// ```
/// use kernel::capability::{self, Cap};
/// use kernel::prelude::*;
///
/// fn set_priority(wanted: u32, default: u32) -> Result<u32> {
///     if wanted > default && !capability::capable(Cap::SysNice) {
///         return Err(EPERM);
///     }
///     Ok(wanted)
/// }
///
/// assert_eq!(set_priority(1, 2), Ok(1));
/// ```
pub fn capable(cap: Cap) -> bool {
    cap.any_of().iter().any(|&cap| {
        // SAFETY: capable() takes any capability that there is.
        unsafe { bindings::capable(cap as c_int) }
    })
}

/// As [`capable`], for a question that everybody may ask, and gets an answer to with less in it if
/// he has not: nothing is refused, so no security module logs that it was.
///
/// # Examples
///
/// ```
/// use kernel::capability::{self, Cap};
///
/// /// How many of these the current task is told of.
/// fn told(own: usize, all: usize) -> usize {
///     if capability::capable_unaudited(Cap::Perfmon) {
///         all
///     } else {
///         own
///     }
/// }
/// ```
pub fn capable_unaudited(cap: Cap) -> bool {
    cap.any_of().iter().any(|&cap| {
        // SAFETY: The initial namespace is always valid, and the function takes any capability that
        // there is.
        unsafe { bindings::ns_capable_noaudit(&raw mut bindings::init_user_ns, cap as c_int) }
    })
}

#[macros::kunit_tests(rust_capability)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_may_do_all() {
        for cap in [Cap::SysAdmin, Cap::SysNice, Cap::IpcLock, Cap::Perfmon] {
            assert!(capable(cap));
            assert!(capable_unaudited(cap));
        }
    }

    #[test]
    fn one_of_two_is_enough_to_look() {
        assert!(Cap::Perfmon.any_of().contains(&bindings::CAP_SYS_ADMIN));
        assert!(!Cap::SysAdmin.any_of().contains(&bindings::CAP_PERFMON));
    }
}
