// SPDX-License-Identifier: GPL-2.0
//! Which devices a command is about.

use accel::{Device, Error};

use crate::failure::Result;
use crate::system::System;

/// The device of this name, or the only one.
pub fn one(system: &dyn System, name: Option<&str>) -> Result<Device> {
    if let Some(name) = name {
        return Ok(Device::by_name(name)?);
    }
    match &every(system, false)?[..] {
        [device] => Ok(device.clone()),
        several => {
            let names: Vec<_> = several.iter().map(Device::to_string).collect();
            Err(format!("there are {}; which one?", names.join(", ")).into())
        }
    }
}

/// The device of this name, or all that there are.
pub fn all(system: &dyn System, name: Option<&str>, for_programs: bool) -> Result<Vec<Device>> {
    match name {
        Some(name) => Ok(vec![Device::by_name(name)?]),
        None => every(system, for_programs),
    }
}

/// All devices. That there is none is a fact for a program, and a problem for a person.
pub fn every(system: &dyn System, for_programs: bool) -> Result<Vec<Device>> {
    let devices = system.devices()?;
    if devices.is_empty() && !for_programs {
        let place = "/sys/class/accelerator".into();
        return Err(Error::NoDevice { place }.into());
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, said};

    #[test]
    fn the_only_device_needs_no_name() {
        let device = one(&Fake::with(1), None).unwrap();
        assert_eq!(device.to_string(), "accel0");
        let text = said(one(&Fake::with(2), None));
        assert_eq!(text, "there are accel0, accel1; which one?");
        assert!(said(one(&Fake::with(0), None)).contains("no accelerator found"));
        let named = one(&Fake::with(2), Some("1")).unwrap();
        assert_eq!(named.to_string(), "accel1");
    }

    #[test]
    fn no_name_means_all_where_there_can_be_several() {
        assert_eq!(all(&Fake::with(3), None, false).unwrap().len(), 3);
        assert_eq!(all(&Fake::with(3), Some("accel2"), false).unwrap().len(), 1);
        assert!(said(all(&Fake::with(0), None, false)).contains("no accelerator found"));
        assert!(all(&Fake::with(0), None, true).unwrap().is_empty());
    }
}
