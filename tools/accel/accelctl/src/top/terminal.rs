// SPDX-License-Identifier: GPL-2.0
//! The terminal as a live screen.

use std::io::{Stdout, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use crossterm::style::{Attribute, Color, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Screen;
use super::layout::{Line, Look};
use super::state::Action;
use crate::failure::Result;

/// The terminal, which is as it was before when this goes, after a panic too.
#[derive(Debug)]
pub struct Terminal {
    out: Stdout,
    /// A signal asked to end.
    ended: Arc<AtomicBool>,
    /// Whether what is bad is coloured: <https://no-color.org>.
    colours: bool,
}

/// How long a signal can go unnoticed: waiting for keys goes on after it.
const SIGNAL_DELAY: Duration = Duration::from_millis(200);

/// How long after a signal the process ends by itself: what reads keys does not come back from a
/// terminal that goes while it reads.
const LAST_MOMENT: Duration = Duration::from_secs(1);

impl Terminal {
    /// Takes the whole terminal.
    pub fn open() -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        end_by_signals(Arc::clone(&ended))?;
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let mut terminal = Self {
            out: stdout(),
            ended,
            colours,
        };
        // From here on, what is half done is undone by the drop.
        terminal.take()?;
        Ok(terminal)
    }

    fn take(&mut self) -> Result<()> {
        enable_raw_mode()?;
        Ok(execute!(
            self.out,
            EnterAlternateScreen,
            Hide,
            DisableLineWrap
        )?)
    }

    fn give_back(&mut self) {
        // There is nobody left to tell if the terminal is gone.
        let _ = execute!(self.out, EnableLineWrap, Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Has SIGTERM, SIGHUP and SIGINT set `ended`, and end the process if that helps nothing.
fn end_by_signals(ended: Arc<AtomicBool>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            ended.store(true, Ordering::Relaxed);
            std::thread::sleep(LAST_MOMENT);
            // As a shell has it of a process that a signal has ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What has come of the terminal.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Nothing,
    Something,
    /// It is gone.
    End,
}

/// Waits for something to read. crossterm waits for ever where the terminal is gone.
fn input(fd: impl AsFd, time: Duration) -> Result<Input> {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let time = Timespec::try_from(time).ok();
    match rustix::event::poll(&mut fds, time.as_ref()) {
        Ok(0) | Err(Errno::INTR) => return Ok(Input::Nothing),
        Ok(_) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(match fds[0].revents() {
        seen if seen.intersects(gone) => Input::End,
        _ => Input::Something,
    })
}

impl Screen for Terminal {
    fn size(&self) -> Result<(usize, usize)> {
        let (columns, rows) = size()?;
        Ok((columns.into(), rows.into()))
    }

    fn draw(&mut self, lines: &[Line]) -> Result<()> {
        for (row, line) in (0..).zip(lines) {
            // Before the text: behind a line as wide as the screen, it would take the last cell.
            queue!(self.out, MoveTo(0, row), Clear(ClearType::CurrentLine))?;
            match line.look {
                Look::Plain => {}
                Look::Head => queue!(self.out, SetAttribute(Attribute::Bold))?,
                Look::Bad if self.colours => queue!(self.out, SetForegroundColor(Color::Red))?,
                Look::Bad => queue!(self.out, SetAttribute(Attribute::Reverse))?,
            }
            queue!(self.out, Print(&line.text), SetAttribute(Attribute::Reset))?;
        }
        Ok(self.out.flush()?)
    }

    fn stop(&mut self) -> Result<()> {
        self.give_back();
        // All of the job, as the terminal does where it is not raw.
        let stopped = kill_current_process_group(Signal::TSTP);
        self.take()?;
        Ok(stopped.map_err(std::io::Error::from)?)
    }

    fn action(&mut self, deadline: Instant) -> Result<Option<Action>> {
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Ok(Some(Action::Quit));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match input(stdin(), left.min(SIGNAL_DELAY))? {
                Input::End => return Ok(Some(Action::Quit)),
                Input::Nothing if left <= SIGNAL_DELAY => return Ok(None),
                _ => {}
            }
            // Of a new size nothing is to be read.
            while poll(Duration::ZERO)? {
                let action = meaning(&read()?);
                if action.is_some() {
                    return Ok(action);
                }
            }
        }
    }
}

/// What the terminal's event means; nothing for most keys.
fn meaning(event: &Event) -> Option<Action> {
    match event {
        Event::Resize(..) => Some(Action::Redraw),
        Event::Key(key) if key.kind != KeyEventKind::Release => key_meaning(key),
        _ => None,
    }
}

fn key_meaning(key: &KeyEvent) -> Option<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => Some(Action::Quit),
        KeyCode::Char('z') if control => Some(Action::Stop),
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Char('k') | KeyCode::Up => Some(Action::Up),
        KeyCode::Char('j') | KeyCode::Down => Some(Action::Down),
        KeyCode::Left => Some(Action::Left),
        KeyCode::Right => Some(Action::Right),
        KeyCode::Char('s') => Some(Action::Sort),
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Some(Action::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_last_line_says() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        let plain = |code| key(code, KeyModifiers::NONE);
        for (event, action) in [
            (plain(KeyCode::Char('q')), Some(Action::Quit)),
            (
                key(KeyCode::Char('c'), KeyModifiers::CONTROL),
                Some(Action::Quit),
            ),
            (plain(KeyCode::Char('c')), None),
            (
                key(KeyCode::Char('z'), KeyModifiers::CONTROL),
                Some(Action::Stop),
            ),
            (plain(KeyCode::Up), Some(Action::Up)),
            (plain(KeyCode::Char('k')), Some(Action::Up)),
            (plain(KeyCode::Down), Some(Action::Down)),
            (plain(KeyCode::Char('j')), Some(Action::Down)),
            (plain(KeyCode::Left), Some(Action::Left)),
            (plain(KeyCode::Right), Some(Action::Right)),
            (plain(KeyCode::Char('s')), Some(Action::Sort)),
            (plain(KeyCode::Char('?')), Some(Action::Help)),
            (plain(KeyCode::F(1)), Some(Action::Help)),
            (plain(KeyCode::Enter), None),
            (Event::Resize(80, 24), Some(Action::Redraw)),
        ] {
            assert_eq!(meaning(&event), action, "{event:?}");
        }
    }

    #[test]
    fn a_terminal_that_is_gone_ends_it() {
        let moment = Duration::from_millis(1);
        let (read, write) = rustix::pipe::pipe().unwrap();
        assert_eq!(input(&read, moment).unwrap(), Input::Nothing);
        rustix::io::write(&write, b"q").unwrap();
        assert_eq!(input(&read, moment).unwrap(), Input::Something);
        drop(write);
        assert_eq!(input(&read, moment).unwrap(), Input::End);
    }
}
