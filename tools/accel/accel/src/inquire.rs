// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The queries that both nodes of a device answer.

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::info::{
    AddressModeInfo, ContextInfo, DeviceInfo, ErrorsInfo, MemoryInfo, SensorInfo, StatusInfo,
};
use crate::node::refused;
use crate::uapi::{self, Plain};

/// Whatever answers queries in the form of the user API: an open node, or a stand-in for one.
pub trait Answers {
    /// Name of the device, for messages.
    fn device_name(&self) -> &str;

    /// Stores as many elements of the answer to `query` as fit into `room`, each cut to `element`
    /// bytes, or with zeroes behind it. Returns how many there are to tell.
    fn answer(
        &self,
        query: u32,
        element: usize,
        room: &mut [u8],
    ) -> std::result::Result<usize, Errno>;
}

/// What both nodes of a device answer. No answer waits for the hardware.
pub trait Inquire: Answers {
    /// Numbers of the queries that this device answers.
    fn queries(&self) -> Result<Vec<u32>> {
        all(self, uapi::INFO_QUERIES, "asking which queries it answers")
    }

    /// Facts that do not change.
    fn facts(&self) -> Result<DeviceInfo> {
        let action = "asking for its facts";
        one::<uapi::InfoDevice>(self, uapi::INFO_DEVICE, action).map(Into::into)
    }

    /// The state at this moment; answered for a removed device too.
    fn status(&self) -> Result<StatusInfo> {
        let action = "asking for its status";
        one::<uapi::InfoStatus>(self, uapi::INFO_STATUS, action).map(Into::into)
    }

    /// Each address mode that exists, with the reason where it is not offered.
    fn address_modes(&self) -> Result<Vec<AddressModeInfo>> {
        let action = "asking for its address modes";
        let raw = all::<uapi::InfoAddressMode>(self, uapi::INFO_ADDRESS_MODES, action)?;
        Ok(raw.into_iter().map(Into::into).collect())
    }

    /// The use that each open of the compute node makes of the device. Without `CAP_PERFMON`, of
    /// those of the caller's own user only.
    fn contexts(&self) -> Result<Vec<ContextInfo>> {
        let action = "asking who uses it";
        let raw = all::<uapi::InfoContext>(self, uapi::INFO_CONTEXTS, action)?;
        Ok(raw.into_iter().map(Into::into).collect())
    }

    /// What its sensors measured last. Without `CAP_PERFMON`, of those that do not measure power.
    fn sensors(&self) -> Result<Vec<SensorInfo>> {
        let action = "asking for its sensors";
        let raw = all::<uapi::InfoSensor>(self, uapi::INFO_SENSORS, action)?;
        Ok(raw.into_iter().map(Into::into).collect())
    }

    /// What went wrong so far.
    fn errors(&self) -> Result<ErrorsInfo> {
        let action = "asking for its errors";
        one::<uapi::InfoErrors>(self, uapi::INFO_ERRORS, action).map(Into::into)
    }

    /// The device's own memory.
    fn memory(&self) -> Result<MemoryInfo> {
        let action = "asking for its memory";
        one::<uapi::InfoMemory>(self, uapi::INFO_MEMORY, action).map(Into::into)
    }
}

impl<T: Answers + ?Sized> Inquire for T {}

/// The answer to a query that has one struct.
fn one<T: Plain>(device: &(impl Answers + ?Sized), query: u32, action: &'static str) -> Result<T> {
    let mut answer = T::default();
    let room = uapi::bytes_of_mut(std::slice::from_mut(&mut answer));
    device
        .answer(query, size_of::<T>(), room)
        .map_err(refused(device.device_name(), action))?;
    Ok(answer)
}

/// Times that a growing array is asked for with more room.
const ATTEMPTS: usize = 8;

/// The answer to a query that has an array.
fn all<T: Plain>(
    device: &(impl Answers + ?Sized),
    query: u32,
    action: &'static str,
) -> Result<Vec<T>> {
    let ask = |room: &mut [T]| {
        device
            .answer(query, size_of::<T>(), uapi::bytes_of_mut(room))
            .map_err(refused(device.device_name(), action))
    };
    let mut count = ask(&mut [])?;
    for _ in 0..ATTEMPTS {
        let mut answer = vec![T::default(); count];
        count = ask(&mut answer)?;
        if count <= answer.len() {
            answer.truncate(count);
            return Ok(answer);
        }
    }
    Err(Error::Mismatch {
        device: device.device_name().into(),
        what: format!("the answer to query {query} grows while it is read"),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::info::AddressMode;

    /// Has one more context each time it is asked, up to `count` of them.
    struct Growing {
        told: Cell<usize>,
        count: usize,
    }

    impl Answers for Growing {
        fn device_name(&self) -> &str {
            "accel9"
        }

        fn answer(
            &self,
            query: u32,
            element: usize,
            room: &mut [u8],
        ) -> std::result::Result<usize, Errno> {
            if query != uapi::INFO_CONTEXTS {
                return Err(Errno::OPNOTSUPP);
            }
            assert_eq!(element, size_of::<uapi::InfoContext>());
            let count = self.count.min(self.told.get() + 1);
            self.told.set(count);
            let contexts: Vec<_> = (0..count as u64)
                .map(|id| uapi::InfoContext {
                    id,
                    mode: uapi::MODE_SHARED,
                    ..Default::default()
                })
                .collect();
            let bytes = uapi::bytes_of(&contexts);
            let len = bytes.len().min(room.len());
            room[..len].copy_from_slice(&bytes[..len]);
            Ok(contexts.len())
        }
    }

    fn growing(count: usize) -> Growing {
        Growing {
            told: Cell::new(0),
            count,
        }
    }

    #[test]
    fn an_array_that_grows_is_asked_for_again() {
        let contexts = growing(4).contexts().unwrap();
        assert_eq!(contexts.len(), 4);
        assert_eq!(contexts[3].id, 3);
        assert_eq!(contexts[3].mode, Some(AddressMode::Shared));
        assert!(growing(1000).contexts().is_err());
    }

    #[test]
    fn as_many_are_told_as_there_are() {
        let many = Growing {
            told: Cell::new(5000),
            count: 5000,
        };
        assert_eq!(many.contexts().unwrap().len(), 5000);
    }

    #[test]
    fn what_a_kernel_does_not_know_is_said() {
        let text = growing(1).errors().unwrap_err().to_string();
        assert!(
            text.starts_with("accel9: asking for its errors: "),
            "{text}"
        );
        assert!(text.contains("not offered"), "{text}");
    }
}
