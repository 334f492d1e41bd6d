// SPDX-License-Identifier: GPL-2.0

//! Device memory that control groups are charged for.
//!
//! An administrator limits it by the files `dmem.*` of a group, which name each [`Region`].
//!
//! C header: [`include/linux/cgroup_dmem.h`](srctree/include/linux/cgroup_dmem.h)

use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};
use core::ptr;

/// Memory of a device, as the controller knows it.
///
/// Without `CONFIG_CGROUP_DMEM`, or with a size of zero, nothing is accounted.
///
/// Dropping it sleeps: it waits for those who look for regions.
///
/// # Invariants
///
/// `region` is registered, or null if nothing is accounted.
///
/// # Examples
///
/// ```
/// use kernel::cgroup_dmem::{Charge, Region};
/// use kernel::prelude::*;
///
/// /// A piece of the device's memory, which the group of the current task pays for.
/// struct Buffer {
///     _charge: Charge,
/// }
///
/// let region = Region::new(c"example/0000:00:03.0/memory", 1 << 20)?;
/// let buffer = Buffer {
///     _charge: region.charge(4096)?,
/// };
/// # drop(buffer);
/// # Ok::<(), Error>(())
/// ```
pub struct Region {
    region: *mut bindings::dmem_cgroup_region,
}

impl Region {
    /// Registers `size` bytes of memory under `name`, which should begin with that of the driver
    /// and name the device, for it must be the only one of its kind: `drm/0000:03:00.0/vram0`, say.
    ///
    /// Fails with [`ENOMEM`]. Sleeps.
    pub fn new(name: &CStr, size: u64) -> Result<Self> {
        let init = bindings::dmem_cgroup_init {
            size,
            ..pin_init::zeroed()
        };
        // SAFETY: `init` is valid, and the format takes one string; the name is copied.
        let region = from_err_ptr(unsafe {
            bindings::dmem_cgroup_register_region(&init, c"%s".as_char_ptr(), name.as_char_ptr())
        })?;
        // INVARIANT: Registered just now.
        Ok(Self { region })
    }

    /// Charges the group of the current task for `size` bytes.
    ///
    /// Fails with [`EAGAIN`] if that is beyond a limit, with [`EINVAL`] if no memory is that large,
    /// with [`ENOMEM`]. Sleeps.
    pub fn charge(&self, size: u64) -> Result<Charge> {
        // Counters are signed numbers of a word, and would take the rest for negative ones.
        isize::try_from(size).map_err(|_| EINVAL)?;

        let mut pool = ptr::null_mut();
        if !self.region.is_null() {
            // SAFETY: By the type invariant. The limiting group isn't asked for.
            to_result(unsafe {
                bindings::dmem_cgroup_try_charge(self.region, size, &mut pool, ptr::null_mut())
            })?;
        }
        // INVARIANT: Charged above.
        Ok(Charge { pool, size })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it takes null.
        unsafe { bindings::dmem_cgroup_unregister_region(self.region) };
    }
}

// SAFETY: A region belongs to no task.
unsafe impl Send for Region {}
// SAFETY: The controller locks for itself.
unsafe impl Sync for Region {}

/// What a control group is charged for.
///
/// Dropping it, in any context but NMI, ends that. It may outlive its [`Region`].
///
/// # Invariants
///
/// `pool` is charged for `size` bytes, or null if nothing is accounted.
pub struct Charge {
    pool: *mut bindings::dmem_cgroup_pool_state,
    size: u64,
}

impl Charge {
    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it takes null.
        unsafe { bindings::dmem_cgroup_uncharge(self.pool, self.size) };
    }
}

// SAFETY: A charge is the group's, not the task's.
unsafe impl Send for Charge {}
// SAFETY: A shared `Charge` only tells its size, which stays.
unsafe impl Sync for Charge {}

#[macros::kunit_tests(rust_cgroup_dmem)]
mod tests {
    use super::*;

    #[test]
    fn charges() -> Result {
        let region = Region::new(c"rust_cgroup_dmem/charges", 1 << 20)?;
        let charge = region.charge(4096)?;
        assert_eq!(charge.size(), 4096);
        assert!(region.charge(0).is_ok());
        Ok(())
    }

    #[test]
    fn a_charge_outlives_its_region() -> Result {
        let region = Region::new(c"rust_cgroup_dmem/outlives", 1 << 20)?;
        let charge = region.charge(4096)?;
        drop(region);
        drop(charge);
        Ok(())
    }

    #[test]
    fn a_region_without_memory_accounts_nothing() -> Result {
        let region = Region::new(c"rust_cgroup_dmem/nothing", 0)?;
        assert!(region.charge(4096).is_ok());
        Ok(())
    }

    #[test]
    fn refuses_what_counters_take_for_negative() -> Result {
        let region = Region::new(c"rust_cgroup_dmem/negative", 1 << 20)?;
        assert_eq!(region.charge(u64::MAX).err(), Some(EINVAL));
        Ok(())
    }
}
