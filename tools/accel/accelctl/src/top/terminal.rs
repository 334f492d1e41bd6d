// SPDX-License-Identifier: GPL-2.0
//! The terminal as a live screen.

use std::io::{Stdout, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Screen;
use super::layout::Line;
use super::state::Action;
use crate::failure::Result;

/// The terminal, which is as it was before when this goes, after a panic too.
#[derive(Debug)]
pub struct Terminal {
    out: Stdout,
    /// A signal asked to end.
    ended: Arc<AtomicBool>,
}

/// How long a signal can go unnoticed: waiting for keys goes on after it.
const SIGNAL_DELAY: Duration = Duration::from_millis(200);

impl Terminal {
    /// Takes the whole terminal.
    pub fn open() -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        enable_raw_mode()?;
        // From here on, what is half done is undone by the drop.
        let out = stdout();
        let mut terminal = Self { out, ended };
        execute!(terminal.out, EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nobody left to tell if the terminal is gone.
        let _ = execute!(self.out, EnableLineWrap, Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
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
            if line.head {
                queue!(self.out, SetAttribute(Attribute::Bold))?;
            }
            queue!(self.out, Print(&line.text), SetAttribute(Attribute::Reset))?;
        }
        Ok(self.out.flush()?)
    }

    fn action(&mut self, deadline: Instant) -> Result<Option<Action>> {
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Ok(Some(Action::Quit));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if poll(left.min(SIGNAL_DELAY))? {
                let action = meaning(&read()?);
                if action.is_some() {
                    return Ok(action);
                }
            } else if left <= SIGNAL_DELAY {
                return Ok(None);
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
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Char('k') | KeyCode::Up => Some(Action::Up),
        KeyCode::Char('j') | KeyCode::Down => Some(Action::Down),
        KeyCode::Char('s') => Some(Action::Sort),
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
            (plain(KeyCode::Up), Some(Action::Up)),
            (plain(KeyCode::Char('k')), Some(Action::Up)),
            (plain(KeyCode::Down), Some(Action::Down)),
            (plain(KeyCode::Char('j')), Some(Action::Down)),
            (plain(KeyCode::Char('s')), Some(Action::Sort)),
            (plain(KeyCode::Enter), None),
            (Event::Resize(80, 24), Some(Action::Redraw)),
        ] {
            assert_eq!(meaning(&event), action, "{event:?}");
        }
    }
}
