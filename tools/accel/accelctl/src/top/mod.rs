// SPDX-License-Identifier: GPL-2.0
//! `accelctl top`: what accelerators do, and for whom.

mod layout;
mod rates;
mod state;
mod terminal;

use std::io::{IsTerminal, Write, stdin, stdout};
use std::time::{Duration, Instant};

use crate::choice;
use crate::failure::Result;
use crate::json::{self, Document};
use crate::system::{Moment, System};

use layout::Line;
use rates::Sampler;
pub use rates::View;
pub use state::Sort;
use state::{Action, State};
use terminal::Terminal;

/// What to show, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only this device.
    pub device: Option<String>,
    /// Time between two looks.
    pub delay: Duration,
    /// Tables to write; none for a live screen, or without end where there is no terminal.
    pub count: Option<u64>,
    /// What processes are sorted by.
    pub sort: Sort,
    /// Write JSON.
    pub json: bool,
}

/// Shows a live screen, or writes tables.
pub fn run(system: &dyn System, options: &Options, out: &mut dyn Write) -> Result<()> {
    // Before a screen would hide the sentence.
    choice::all(system, options.device.as_deref(), options.json)?;
    let on_terminal = stdin().is_terminal() && stdout().is_terminal();
    if on_terminal && options.count.is_none() && !options.json {
        return live(system, options, &mut Terminal::open()?);
    }
    batch(system, options, out)
}

/// Writes tables, each over the time since the one before.
fn batch(system: &dyn System, options: &Options, out: &mut dyn Write) -> Result<()> {
    let mut sampler = Sampler::new(options.device.clone());
    sampler.look(system)?;
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        system.sleep(options.delay);
        let mut view = sampler.look(system)?;
        options.sort.apply(&mut view.processes);
        write(&view, system.now(), options.json, out)?;
        left -= 1;
        if left > 0 && !options.json {
            writeln!(out)?;
        }
    }
    Ok(())
}

fn write(view: &View, now: Moment, as_json: bool, out: &mut dyn Write) -> Result<()> {
    if as_json {
        return json::line(&Document::new(now, view), out);
    }
    out.write_all(layout::tables(view).as_bytes())?;
    Ok(out.flush()?)
}

/// Where a live screen is shown, and where its keys come from.
trait Screen {
    /// Columns and rows.
    fn size(&self) -> Result<(usize, usize)>;

    /// Shows the lines, the first on top.
    fn draw(&mut self, lines: &[Line]) -> Result<()>;

    /// Gives the screen back while the process is stopped; returns when it goes on.
    fn stop(&mut self) -> Result<()>;

    /// Waits for a key that means something, or another reason to draw anew; none when it is
    /// `deadline`.
    fn action(&mut self, deadline: Instant) -> Result<Option<Action>>;
}

/// The second look comes soon, because nothing can be measured before.
const FIRST_DELAY: Duration = Duration::from_millis(500);

fn live(system: &dyn System, options: &Options, screen: &mut dyn Screen) -> Result<()> {
    let mut sampler = Sampler::new(options.device.clone());
    let mut state = State::new(options.sort);
    let mut delay = options.delay.min(FIRST_DELAY);
    loop {
        let view = sampler.look(system)?;
        if show(view, &mut state, Instant::now() + delay, screen)? == Some(Action::Quit) {
            return Ok(());
        }
        delay = options.delay;
    }
}

/// Shows `view` until it is `deadline`, or until the person wants to quit.
fn show(
    mut view: View,
    state: &mut State,
    deadline: Instant,
    screen: &mut dyn Screen,
) -> Result<Option<Action>> {
    loop {
        let (width, height) = screen.size()?;
        state.sort.apply(&mut view.processes);
        state.limit(
            layout::hidden_processes(&view, height),
            layout::hidden_columns(&view, width),
        );
        screen.draw(&layout::frame(&view, state, width, height))?;
        match screen.action(deadline)? {
            None => return Ok(None),
            Some(Action::Quit) => return Ok(Some(Action::Quit)),
            Some(Action::Stop) => screen.stop()?,
            Some(action) => state.take(action),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::fake::{Fake, json, said, text};

    fn options(count: Option<u64>, json: bool) -> Options {
        Options {
            device: None,
            delay: Duration::from_secs(2),
            count,
            sort: Sort::Busy,
            json,
        }
    }

    #[test]
    fn tables_are_written_where_there_is_no_terminal() {
        let fake = Fake::with(1);
        let text = text(|out| batch(&fake, &options(Some(2), false), out));
        assert_eq!(fake.slept.get(), Duration::from_secs(4));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 11, "{text}");
        assert!(lines[0].starts_with("DEVICE"), "{text}");
        assert!(lines[1].starts_with("accel0  operational"), "{text}");
        assert!(lines[4].contains("accel-gzip"), "{text}");
        assert_eq!(lines[6], lines[0], "{text}");
    }

    #[test]
    fn programs_get_a_value_for_each_look() {
        let fake = Fake::with(1);
        let json = json(|out| batch(&fake, &options(Some(1), true), out));
        let (device, process) = (&json["device_rates"][0], &json["process_rates"][0]);
        assert_eq!(device["device"], "accel0");
        assert_eq!(device["busy_percent"], 50.0);
        assert_eq!(device["interval_ns"], 2_000_000_000_u64);
        assert_eq!(device["memory"]["used_bytes"], 16 << 20);
        assert_eq!(device["errors"]["faults"], 1);
        assert_eq!(process["command"], "accel-gzip");
        assert_eq!(process["jobs_per_second"], 5000.0);
        assert_eq!(process["interval_ns"], 2_000_000_000_u64);
    }

    #[test]
    fn without_a_device_there_is_a_sentence_or_an_empty_list() {
        let text = said(run(
            &Fake::with(0),
            &options(Some(1), false),
            &mut Vec::new(),
        ));
        assert!(text.contains("no accelerator found"), "{text}");
        let json = json(|out| run(&Fake::with(0), &options(Some(1), true), out));
        assert_eq!(json["device_rates"], serde_json::json!([]));
    }

    /// A screen whose keys are known before.
    struct Script {
        actions: VecDeque<Option<Action>>,
        frames: Vec<Vec<String>>,
    }

    impl Screen for Script {
        fn size(&self) -> Result<(usize, usize)> {
            Ok((100, 20))
        }

        fn draw(&mut self, lines: &[Line]) -> Result<()> {
            let frame = lines.iter().map(|line| line.text.clone()).collect();
            self.frames.push(frame);
            Ok(())
        }

        fn stop(&mut self) -> Result<()> {
            self.frames.push(Vec::new());
            Ok(())
        }

        fn action(&mut self, _: Instant) -> Result<Option<Action>> {
            Ok(self.actions.pop_front().unwrap())
        }
    }

    #[test]
    fn keys_and_time_draw_anew_until_q() {
        let fake = Fake::with(1);
        let actions = [Some(Action::Sort), None, Some(Action::Quit)];
        let mut script = Script {
            actions: actions.into(),
            frames: Vec::new(),
        };
        live(&fake, &options(None, false), &mut script).unwrap();
        let titles: Vec<_> = script.frames.iter().map(|frame| &frame[0]).collect();
        assert_eq!(titles.len(), 3);
        assert!(titles[0].contains("sorted by busy"), "{titles:?}");
        assert!(titles[1].contains("sorted by jobs"), "{titles:?}");
        assert_eq!(titles[1], titles[2]);
    }
}
