// SPDX-License-Identifier: GPL-2.0
//! Runs one program in a process of its own, and finds out what it has reached.

use crate::{
    call,
    encode::{Encoder, PAGE, PLAYGROUND},
    generate::PAGES,
    grammar::{CallType, Grammar},
    kcov::Kcov,
    program::{CALLS_MAX, Call, Program},
    shared::Shared,
    symbols::Symbols,
};
use std::{
    fs, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// What a program may take.
const TIME_LIMIT: Duration = Duration::from_millis(1500);
/// What its end may take: by then the kernel has stopped every job that hangs.
const END_LIMIT: Duration = Duration::from_secs(60);
/// A call that waits is interrupted.
const PATIENCE_US: i64 = 15_000;
const INTERRUPT_EVERY_US: i64 = 250_000;
/// Threads for calls aside.
const THREADS: usize = 2;
/// How long calls aside are waited for when all others are done.
const ASIDE_LIMIT: Duration = Duration::from_millis(30);
/// Processes that a program becomes at most.
const FORKS: usize = 2;
/// Memory for what the arguments of a call point to.
const ARGUMENTS: usize = 1 << 18;
/// Things that one program reaches at most.
const REACHED: usize = 1 << 16;
/// Of the number of something that is reached and no address: a call and its errno.
const ERRNO: u64 = 1 << 63;
const NOT_RUN: i32 = i32::MIN;

/// What a program has done.
pub struct Outcome {
    /// Addresses of code of ours, and errors of calls, each once.
    pub reached: Vec<u64>,
    /// The errno of each call, 0 where it worked; `None` if it did not end.
    pub errors: Vec<Option<i32>>,
}

/// Whether something that was reached is code.
pub fn is_code(reached: u64) -> bool {
    reached >> 56 == 0xff
}

/// What is needed to run programs.
pub struct Runner<'g> {
    grammar: &'g Grammar,
    symbols: Symbols,
    /// For the program and for its threads; none if the kernel has no KCOV.
    kcov: Vec<Kcov>,
    arguments: Vec<Shared>,
    errors: &'static [AtomicI32],
    /// The count, then what was reached.
    reached: &'static [AtomicU64],
    /// Which code was reached, by its number.
    seen: &'static [AtomicU64],
}

impl<'g> Runner<'g> {
    pub fn new(grammar: &'g Grammar) -> io::Result<Self> {
        let symbols = Symbols::of_kernel()?;
        let kcov = match (0..=THREADS).map(|_| Kcov::open()).collect() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let arguments: io::Result<_> = (0..=THREADS).map(|_| Shared::new(ARGUMENTS)).collect();
        let seen = Shared::new((symbols.bits() / 8).max(8).next_multiple_of(8))?;
        allow_faults();
        // SAFETY: It takes a number. Grandchildren whose parents have ended come to this process.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        Ok(Self {
            grammar,
            symbols,
            kcov,
            arguments: arguments?,
            errors: Shared::new(CALLS_MAX * 4)?.atomics(),
            reached: Shared::new((REACHED + 1) * 8)?.atomics(),
            seen: seen.atomics(),
        })
    }

    /// Whether the kernel tells what is reached.
    pub fn is_guided(&self) -> bool {
        !self.kcov.is_empty()
    }

    /// An error is one of this process, or TimedOut: the program can't be ended.
    pub fn run(&self, program: &Program) -> io::Result<Outcome> {
        self.errors
            .iter()
            .for_each(|error| error.store(NOT_RUN, Relaxed));
        // SAFETY: There is one thread, so the child may do all that this process may.
        let child = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                Process::new(self, program).run();
                // SAFETY: Nothing of this copy needs to be ended in order.
                unsafe { libc::_exit(0) }
            }
            child => child,
        };
        let ended = wait(child);
        // SAFETY: The group is the child's own; what it has left behind is ended.
        unsafe { libc::kill(-child, libc::SIGKILL) };
        reap();
        ended?;
        Ok(self.outcome(program))
    }

    fn outcome(&self, program: &Program) -> Outcome {
        let errors = self.errors[..program.calls.len()].iter().map(|error| {
            let error = error.load(Relaxed);
            (error != NOT_RUN).then_some(error)
        });
        let count = (self.reached[0].swap(0, Relaxed) as usize).min(REACHED);
        let mut reached: Vec<u64> = self.reached[1..=count]
            .iter()
            .map(|word| word.load(Relaxed))
            .collect();
        for address in &reached {
            if let Some(number) = self.symbols.number(*address) {
                self.seen[number / 64].store(0, Relaxed);
            }
        }
        let errors: Vec<_> = errors.collect();
        for (call, error) in program.calls.iter().zip(&errors) {
            if let Some(error) = error {
                reached.push(ERRNO | (call.what as u64) << 16 | *error as u64);
            }
        }
        reached.sort_unstable();
        reached.dedup();
        Outcome { reached, errors }
    }

    /// Notes what a thread has reached since the last time.
    fn collect(&self, thread: usize) {
        let Some(kcov) = self.kcov.get(thread) else {
            return;
        };
        kcov.take(|address| {
            let Some(number) = self.symbols.number(address) else {
                return;
            };
            let bit = 1 << (number % 64);
            let word = &self.seen[number / 64];
            if word.load(Relaxed) & bit == 0 && word.fetch_or(bit, Relaxed) & bit == 0 {
                let place = self.reached[0].fetch_add(1, Relaxed) as usize;
                if let Some(word) = self.reached.get(place + 1) {
                    word.store(address, Relaxed);
                }
            }
        });
    }

    fn enable(&self, thread: usize) {
        if let Some(kcov) = self.kcov.get(thread) {
            // Without it less is seen, and nothing else is wrong.
            _ = kcov.enable();
        }
    }
}

/// Lets each allocation that a program asks to fail do so, and quietly, where the kernel can.
fn allow_faults() {
    const DEBUGFS: &str = "/sys/kernel/debug";
    for kind in ["failslab", "fail_page_alloc", "fail_usercopy", "fail_futex"] {
        _ = fs::write(format!("{DEBUGFS}/{kind}/ignore-gfp-wait"), "N");
        _ = fs::write(format!("{DEBUGFS}/{kind}/ignore-gfp-highmem"), "N");
        _ = fs::write(format!("{DEBUGFS}/{kind}/verbose"), "0");
    }
}

/// Waits until the child has ended, which it is made to.
fn wait(child: i32) -> io::Result<()> {
    // SAFETY: The child is not reaped yet, so the number is its own.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) } as i32;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The descriptor is new, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if !readable(&fd, TIME_LIMIT) {
        // SAFETY: As above. The group is there from the start of the child on, or the child is.
        unsafe {
            libc::kill(-child, libc::SIGKILL);
            libc::kill(child, libc::SIGKILL);
        }
        if !readable(&fd, END_LIMIT) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

fn readable(fd: &OwnedFd, limit: Duration) -> bool {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now()).as_millis() as i32;
        // SAFETY: There is one entry.
        match unsafe { libc::poll(&mut entry, 1, left) } {
            -1 if left > 0 => continue,
            count => return count > 0,
        }
    }
}

/// Takes note of every child that has ended.
fn reap() {
    // SAFETY: The status may be left out.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

/// The process of a program.
struct Process<'a> {
    runner: &'a Runner<'a>,
    program: &'a Program,
    results: Vec<AtomicI64>,
    /// Calls that are under way in other threads.
    aside: AtomicI32,
}

impl<'a> Process<'a> {
    fn new(runner: &'a Runner<'a>, program: &'a Program) -> Self {
        let results = program.calls.iter().map(|_| AtomicI64::new(-1)).collect();
        Self {
            runner,
            program,
            results,
            aside: AtomicI32::new(0),
        }
    }

    fn run(&self) {
        set_up();
        self.runner.enable(0);
        std::thread::scope(|scope| {
            let (mut forks, mut threads) = (0, 0);
            for at in 0..self.program.calls.len() {
                let call = &self.program.calls[at];
                if call.how.aside && threads < THREADS {
                    threads += 1;
                    let thread = threads;
                    self.aside.fetch_add(1, Relaxed);
                    scope.spawn(move || self.call_aside(at, thread));
                } else if self.runner.grammar.calls[call.what].base() == "accel_fork" {
                    if forks < FORKS {
                        forks += 1;
                        self.finish(at, fork());
                    }
                } else {
                    self.call(at, 0);
                }
            }
            let end = Instant::now() + ASIDE_LIMIT;
            while self.aside.load(Relaxed) != 0 && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Threads that still wait are ended with the process.
            // SAFETY: Nothing of this copy needs to be ended in order.
            unsafe { libc::_exit(0) }
        });
    }

    fn call_aside(&self, at: usize, thread: usize) {
        block_interrupts();
        self.runner.enable(thread);
        self.call(at, thread);
        self.aside.fetch_sub(1, Relaxed);
    }

    fn call(&self, at: usize, thread: usize) {
        let call = &self.program.calls[at];
        let grammar = self.runner.grammar;
        let what = &grammar.calls[call.what];
        let results: Vec<i64> = self
            .results
            .iter()
            .map(|result| result.load(Relaxed))
            .collect();
        let memory = &self.runner.arguments[thread];
        let mut encoder = Encoder::new(grammar, &results, memory, call.how.dirty);
        let words = encoder.arguments(&what.arguments, &call.values);
        let made_at = encoder.made_at;
        let waits = thread == 0 && what.base() == "read";
        if waits {
            interrupt_in(PATIENCE_US);
        }
        let value = perform(what, words, call);
        if waits {
            interrupt_in(INTERRUPT_EVERY_US);
        }
        self.finish(at, value);
        if value >= 0 {
            let made = match made_at {
                // It is a descriptor, or an address.
                Some((offset, 4)) => memory.read(offset, 4).map(|fd| i64::from(fd as i32)),
                Some((offset, width)) => memory.read(offset, width).map(|made| made as i64),
                None => Some(value),
            };
            self.results[at].store(made.unwrap_or(-1), Relaxed);
        }
        self.runner.collect(thread);
    }

    fn finish(&self, at: usize, value: i64) {
        let error = if value < 0 && value > -4096 {
            -value as i32
        } else {
            0
        };
        self.runner.errors[at].store(error, Relaxed);
    }
}

/// A call in its circumstances.
fn perform(what: &CallType, words: [u64; 6], call: &Call) -> i64 {
    if call.how.elsewhere {
        return elsewhere(|| call::perform(what, words));
    }
    if call.how.fail == 0 {
        return call::perform(what, words);
    }
    let Ok(fd) = fs::OpenOptions::new()
        .write(true)
        .open("/proc/thread-self/fail-nth")
    else {
        return call::perform(what, words);
    };
    set_fail(&fd, call.how.fail);
    let value = call::perform(what, words);
    set_fail(&fd, 0);
    value
}

/// Says which allocation of this thread is to fail. To say so may be what fails.
fn set_fail(file: &fs::File, nth: u32) {
    use std::os::unix::fs::FileExt;
    for _ in 0..10 {
        if file.write_all_at(nth.to_string().as_bytes(), 0).is_ok() {
            return;
        }
    }
}

/// Does it in another process, which has the same descriptors and a copy of the memory.
fn elsewhere(f: impl FnOnce() -> i64) -> i64 {
    match fork() {
        0 => {
            let value = f();
            // SAFETY: Nothing of this copy needs to be ended in order.
            unsafe { libc::_exit(if value < 0 { -value as i32 } else { 0 }) }
        }
        child if child > 0 => {
            let mut status = 0;
            // SAFETY: There is room for the status.
            unsafe { libc::waitpid(child as i32, &mut status, 0) };
            -i64::from(libc::WEXITSTATUS(status))
        }
        error => error,
    }
}

fn fork() -> i64 {
    // SAFETY: What another thread may hold at this time is not touched by the child.
    match unsafe { libc::fork() } {
        -1 => -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        0 => {
            interrupt_in(INTERRUPT_EVERY_US);
            0
        }
        child => child.into(),
    }
}

extern "C" fn interrupted(_signal: i32) {}

/// What a new process has to do: be a group, be interrupted at times, have memory to play with.
fn set_up() {
    // SAFETY: The handler does nothing; the place for the memory is used for nothing else; the rest
    // takes numbers.
    unsafe {
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupted as *const () as usize;
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        libc::mmap(
            PLAYGROUND as *mut libc::c_void,
            usize::from(PAGES) * PAGE as usize,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
            -1,
            0,
        );
    }
    interrupt_in(INTERRUPT_EVERY_US);
}

/// Interrupts what this process waits for, after so many microseconds and then now and again.
fn interrupt_in(first: i64) {
    let after = |microseconds| libc::timeval {
        tv_sec: 0,
        tv_usec: microseconds,
    };
    let timer = libc::itimerval {
        it_interval: after(INTERRUPT_EVERY_US),
        it_value: after(first),
    };
    // SAFETY: The timer is there for the call.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
}

fn block_interrupts() {
    // SAFETY: The set is filled in before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGALRM);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}
