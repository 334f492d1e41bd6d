// SPDX-License-Identifier: GPL-2.0
//! Follows the events of devices, also of those that appear later or are bound anew.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use accel::{Device, Event, EventMask};

use crate::failure::Result;
use crate::system::System;

/// What the followers of devices tell.
enum Told {
    /// Something happened on a device.
    Event(Device, accel::Result<Event>),
    /// There will be no more events of a device.
    End(Device),
    /// A device has appeared.
    Arrival(Device),
    /// No others will appear.
    NoMore,
}

/// The devices that are followed.
pub struct Following<'a> {
    system: &'a dyn System,
    mask: EventMask,
    /// Of each device, whether it has appeared anew before its last event was read.
    followed: BTreeMap<Device, bool>,
    told: Receiver<Told>,
    /// For the followers of those that come; none if none are wanted, so that the channel ends
    /// with the last of the followers.
    sender: Option<Sender<Told>>,
    /// Whether those that appear later are followed.
    later: bool,
}

impl<'a> Following<'a> {
    /// Follows nothing but, if `later`, devices that appear from now on.
    pub fn new(system: &'a dyn System, mask: EventMask, later: bool) -> Result<Self> {
        let (sender, told) = channel();
        if later {
            tell_arrivals(system, sender.clone())?;
        }
        Ok(Self {
            system,
            mask,
            followed: BTreeMap::new(),
            told,
            sender: Some(sender),
            later,
        })
    }

    /// Follows a device.
    pub fn follow(&mut self, device: &Device) -> Result<()> {
        let Some(sender) = self.sender.clone() else {
            return Ok(());
        };
        let stream = self.system.events(device, self.mask)?;
        self.followed.insert(device.clone(), false);
        let device = device.clone();
        std::thread::spawn(move || {
            for event in stream {
                if sender.send(Told::Event(device.clone(), event)).is_err() {
                    return;
                }
            }
            // Who would hear it may be gone.
            let _ = sender.send(Told::End(device));
        });
        Ok(())
    }

    /// The next event; none if no device is left to follow or to come, or after a time without.
    pub fn next(&mut self, timeout: Option<Duration>) -> Option<(Device, accel::Result<Event>)> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if !self.later && !self.followed.values().any(|again| *again) {
                self.sender = None;
            }
            let told = match deadline {
                None => self.told.recv().ok(),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    self.told.recv_timeout(left).ok()
                }
            };
            match told? {
                Told::Event(device, event) => return Some((device, event)),
                Told::End(device) => self.ended(&device),
                Told::Arrival(device) => self.arrived(&device),
                Told::NoMore => self.later = false,
            }
        }
    }

    /// Follows a device that has appeared. One that can't be opened yet appears once more when
    /// that changes.
    fn arrived(&mut self, device: &Device) {
        match self.followed.get_mut(device) {
            Some(again) => *again = true,
            None => drop(self.follow(device)),
        }
    }

    fn ended(&mut self, device: &Device) {
        if self.followed.remove(device) == Some(true) {
            self.arrived(device);
        }
    }
}

/// Hands on in the background which devices appear.
fn tell_arrivals(system: &dyn System, sender: Sender<Told>) -> Result<()> {
    let mut arrivals = system.arrivals()?;
    std::thread::spawn(move || {
        if arrivals.all(|device| sender.send(Told::Arrival(device)).is_ok()) {
            // Who would hear it may be gone.
            let _ = sender.send(Told::NoMore);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use accel::EventType;

    use super::*;
    use crate::fake::Fake;

    fn fake() -> Fake {
        let fake = Fake::with(2);
        for index in 0..2 {
            fake.device(index).events = vec![Event {
                kind: EventType::Removed,
                sequence: index as u64,
                timestamp_ns: 1,
                address: 0,
                value: 0,
                queue: None,
                pasid: None,
                pid: None,
            }];
        }
        fake
    }

    fn names(following: &mut Following) -> Vec<String> {
        let events = std::iter::from_fn(|| following.next(None));
        let mut names: Vec<_> = events.map(|(device, _)| device.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn those_that_appear_are_followed() {
        let mut fake = fake();
        fake.arriving = vec![1];
        let mut following = Following::new(&fake, EventMask::ALL, true).unwrap();
        following.follow(&Device::by_index(0)).unwrap();
        assert_eq!(names(&mut following), ["accel0", "accel1"]);
    }

    #[test]
    fn one_that_is_bound_anew_is_followed_again() {
        let mut fake = fake();
        fake.arriving = vec![1, 1];
        let mut following = Following::new(&fake, EventMask::ALL, true).unwrap();
        // Whether the second comes before or after the end of the first.
        assert_eq!(names(&mut following), ["accel1", "accel1"]);
    }

    #[test]
    fn one_alone_is_followed_to_its_end() {
        let mut fake = fake();
        fake.arriving = vec![1];
        let mut following = Following::new(&fake, EventMask::ALL, false).unwrap();
        following.follow(&Device::by_index(0)).unwrap();
        assert_eq!(names(&mut following), ["accel0"]);
    }

    #[test]
    fn one_that_cannot_be_opened_is_waited_for() {
        let mut fake = fake();
        fake.device(1).silent = true;
        fake.arriving = vec![1];
        let mut following = Following::new(&fake, EventMask::ALL, true).unwrap();
        assert!(following.next(None).is_none());
    }

    #[test]
    fn silence_ends_with_the_time() {
        let fake = Fake::with(1);
        let mut following = Following::new(&fake, EventMask::ALL, true).unwrap();
        // Nobody sends, but somebody could.
        let (_sender, told) = channel();
        following.told = told;
        assert!(following.next(Some(Duration::from_millis(1))).is_none());
    }
}
