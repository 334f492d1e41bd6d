// SPDX-License-Identifier: GPL-2.0
//! The command line.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use accel::AddressMode;
use accel::hisi_zip::{REQUEST_MAX, Wait};
use clap::builder::RangedI64ValueParser;
use clap::error::ErrorKind;
use clap::value_parser;
use clap::{
    Arg, ArgAction, ArgMatches, Args as ClapArgs, Command, CommandFactory, FromArgMatches, Parser,
};

use crate::{descriptors, report};

const AFTER_HELP: &str = "\
Output is in gzip format, one member as gzip writes it, made of the blocks of input by several \
jobs at once. With --independent each block is a member, with its length in an extra field \
\"AZ\", and decompressed by many jobs in parallel. Files of compress (.Z), pack (.z) and zip are \
read too.

Without an accelerator, or where one fails, the program does the work itself; -v tells why.

One thread drives all queues. The modes differ in what the device sees:
  shared   this process, at the same addresses. A file is read by the device where it lies: it \
is mapped, not copied
  private  buffers that are mapped for it, and nothing else. Files are read into them
  kernel   no queue of this process at all: the kernel hands it each job, with its buffers. Files \
are read into them
In shared and private mode, no system call is made for a job while completions are looked for in \
memory; in kernel mode there is one for each.

Called gunzip, uncompress or zcat, the program decompresses. GZIP in the environment can have -0 \
to -9, -n, -N, -q, -v.

Exit status: 0 all is well; 1 an error; 2 a warning, such as a file that was left alone.

Examples:
  accel-gzip access.log              compresses to access.log.gz, removes access.log
  accel-gzip -k -j4 -v disk.img      with four queues; keeps the file, tells ratio and speed
  tar c dir | accel-gzip > dir.tgz   works in a pipe
  accel-gzip -t *.gz                 verifies files
  accel-gzip --bench 100 --wait spin FILE
                                     100 rounds over FILE's blocks, nothing written; no system
                                     call between the lines \"bench: begin\" and \"bench: end\"
  accel-gzip --bench 100 --mode all FILE
                                     the same in each mode: a line for each";

/// What -L tells.
pub const LICENCE: &str = "\
accel-gzip is free software: you may copy, change and share it by the terms of the GNU General
Public License, version 2. There is no warranty, as far as the law permits.";

/// Compresses and decompresses files through an accelerator.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "accel-gzip",
    version,
    after_help = AFTER_HELP,
    args_override_self = true,
    infer_long_args = true
)]
pub struct Args {
    /// Files; none or `-`: standard input to standard output
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Decompress
    #[arg(short, long, visible_alias = "uncompress")]
    pub decompress: bool,

    /// Write to standard output, keep the files
    #[arg(short = 'c', long, visible_alias = "to-stdout")]
    pub stdout: bool,

    /// Keep the files
    #[arg(short, long)]
    pub keep: bool,

    /// Overwrite output, follow links, compress what has a suffix already, write compressed data to
    /// a terminal; with -dc, copy what is not in gzip format
    #[arg(short, long)]
    pub force: bool,

    /// Verify compressed files, write nothing
    #[arg(short, long)]
    pub test: bool,

    /// Tell how long compressed files are, and what they contain
    #[arg(short, long)]
    pub list: bool,

    /// Do all files in directories
    #[arg(short, long)]
    pub recursive: bool,

    /// Tell ratio, jobs and speed of each file, and how far it is
    #[arg(short, long, overrides_with = "quiet")]
    pub verbose: bool,

    /// No warnings
    #[arg(short, long, visible_alias = "silent", overrides_with = "verbose")]
    pub quiet: bool,

    /// Compressing: do not store name and time. Decompressing: do not restore them (the default)
    #[arg(short = 'n', long, overrides_with_all = ["name", "no_time", "time"])]
    pub no_name: bool,

    /// Compressing: store name and time (the default). Decompressing: restore them
    #[arg(short = 'N', long, overrides_with_all = ["no_name", "no_time", "time"])]
    pub name: bool,

    /// As -n, for the time alone
    #[arg(short = 'm', long, overrides_with = "time")]
    pub no_time: bool,

    /// As -N, for the time alone
    #[arg(short = 'M', long)]
    pub time: bool,

    /// Suffix of compressed files
    #[arg(short = 'S', long, value_name = "SUFFIX", default_value = ".gz")]
    pub suffix: String,

    /// Level
    #[command(flatten)]
    pub level: Level,

    /// Write output to the disk before going on, though the input be kept
    #[arg(long)]
    pub synchronous: bool,

    /// Tell the licence
    #[arg(short = 'L', long)]
    pub license: bool,

    /// Without effect, as with gzip
    #[arg(short, long)]
    pub ascii: bool,

    /// Without effect: blocks are of one size
    #[arg(short = 'R', long)]
    pub rsyncable: bool,

    /// Make each block a member of its own
    #[arg(short, long)]
    pub independent: bool,

    /// Decompress what the engine has compressed, all of it, and compare before it is written
    #[arg(long)]
    pub verify: bool,

    /// Device: a number, accelN or a path; by default the best that does gzip
    #[arg(long, value_name = "DEV")]
    pub device: Option<String>,

    /// Fail where there is no accelerator, or it fails
    #[arg(long)]
    pub require_device: bool,

    /// Queues to use at most, all driven by one thread
    #[arg(
        short = 'j',
        long,
        visible_short_alias = 'p',
        visible_alias = "processes",
        value_name = "N",
        default_value_t = 1,
        value_parser = count()
    )]
    pub queues: u16,

    /// Jobs in flight in each queue at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count())]
    pub in_flight: u16,

    /// Input of a job in KiB, or with B, K or M behind it; at most 8M. Less than 32 is gzip's
    /// number of bits, and without effect
    #[arg(
        short = 'b',
        long,
        visible_alias = "blocksize",
        value_name = "SIZE",
        default_value = "1M",
        value_parser = block_size
    )]
    pub block_size: usize,

    /// How to wait: poll sleeps, spin looks at memory, auto does first this and then that
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub wait: Wait,

    /// What the device sees: shared, private or kernel; with --bench, all: one after the other
    #[arg(
        long,
        value_name = "MODE",
        default_value = "shared",
        overrides_with = "mode"
    )]
    pub mode: Modes,

    /// Measure: submit the jobs of one FILE this many times, write nothing
    #[arg(long, value_name = "ROUNDS", conflicts_with_all = ["stdout", "test", "list"])]
    pub bench: Option<NonZeroU32>,

    /// Ask as if standard input were a terminal
    #[arg(long, hide = true)]
    pub presume_input_tty: bool,
}

impl Args {
    /// Whether files are compressed.
    pub fn compresses(&self) -> bool {
        !self.decompress && !self.only_looks()
    }

    /// Whether files are decompressed, and nothing written.
    pub fn only_looks(&self) -> bool {
        self.test || self.list
    }

    /// Whether no file is written.
    pub fn only_reads(&self) -> bool {
        self.stdout || self.only_looks() || self.bench.is_some()
    }

    /// Whether names are stored, or restored.
    pub fn with_name(&self) -> bool {
        self.name || (self.compresses() && !self.no_name)
    }

    /// Whether times are stored, or restored.
    pub fn with_time(&self) -> bool {
        self.time || (self.with_name() && !self.no_time)
    }
}

/// Address modes to run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    /// This one.
    One(AddressMode),
    /// Each.
    All,
}

impl Modes {
    /// The modes.
    pub fn list(&self) -> &[AddressMode] {
        match self {
            Self::One(mode) => std::slice::from_ref(mode),
            Self::All => AddressMode::KNOWN,
        }
    }
}

impl FromStr for Modes {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = |mode: &&AddressMode| mode.to_string() == name;
        match AddressMode::KNOWN.iter().find(known) {
            Some(&mode) => Ok(Self::One(mode)),
            None if name == "all" => Ok(Self::All),
            None => Err(format!(
                "`{name}` is none of shared, private, kernel and all"
            )),
        }
    }
}

/// The arguments of this process. Ends it after help, and after a mistake with status 1: 2 is a
/// warning of gzip's.
pub fn parse() -> Args {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let program = report::set_name(&program);
    let preset = match std::env::var("GZIP") {
        Ok(text) => environment(&text),
        Err(_) => Ok(Vec::new()),
    };
    let preset = preset.unwrap_or_else(|message| fail(&message));
    let deprecated = !preset.is_empty();
    let all = [program.into(), by_name(program).into()].into_iter();
    let all = all.filter(|word: &OsString| !word.is_empty());
    let all = all.chain(preset).chain(arguments.map(known_to_clap));
    let args = Args::try_parse_from(all).and_then(checked);
    let args = args.unwrap_or_else(|error| end_with(&error));
    if !(1..=SUFFIX_MAX).contains(&args.suffix.len()) {
        fail(&format!("invalid suffix '{}'", args.suffix));
    }
    if deprecated && !args.quiet {
        report::complain(
            "warning: GZIP environment variable is deprecated; use an alias or script",
        );
    }
    args
}

/// Bytes in a suffix at most.
const SUFFIX_MAX: usize = 30;

fn fail(message: &str) -> ! {
    report::complain(message);
    std::process::exit(1)
}

/// Tells help, version or a mistake.
fn end_with(error: &clap::Error) -> ! {
    let told = match error.use_stderr() {
        true => error.print(),
        false => descriptors::text_output()
            .and_then(|mut output| error.print().and_then(|()| output.flush())),
    };
    if told.is_err() {
        fail("standard output: cannot be written");
    }
    std::process::exit(i32::from(error.use_stderr()))
}

/// What a program of this name does without being told.
fn by_name(program: &str) -> &'static str {
    let name = program.strip_prefix("accel-").unwrap_or(program);
    match name {
        "zcat" | "gzcat" | "gcat" | "pcat" => "-dc",
        _ if name.starts_with("un") || name.starts_with("gun") => "-d",
        _ => "",
    }
}

/// `word`, or what is said for it here.
fn known_to_clap(word: OsString) -> OsString {
    match word.as_encoded_bytes() {
        b"---presume-input-tty" => "--presume-input-tty".into(),
        _ => word,
    }
}

/// The options in GZIP.
fn environment(text: &str) -> Result<Vec<OsString>, String> {
    const LONG: [&str; 8] = [
        "no-name",
        "name",
        "quiet",
        "silent",
        "verbose",
        "fast",
        "best",
        "rsyncable",
    ];
    let valid = |word: &str| match word.strip_prefix("--") {
        Some(long) => !long.is_empty() && LONG.iter().any(|known| known.starts_with(long)),
        None => word.len() > 1 && word[1..].chars().all(|c| "0123456789nNqv".contains(c)),
    };
    let check = |word: &str| match word {
        _ if !word.starts_with('-') => {
            Err(format!("{word}: non-option in GZIP environment variable"))
        }
        _ if valid(word) => Ok(word.into()),
        _ => Err(format!(
            "{word}: option not valid in GZIP environment variable"
        )),
    };
    text.split_ascii_whitespace().map(check).collect()
}

/// `args`, if they go together.
fn checked(args: Args) -> Result<Args, clap::Error> {
    if args.mode == Modes::All && args.bench.is_none() {
        let what = "--mode all goes with --bench only";
        return Err(Args::command().error(ErrorKind::ArgumentConflict, what));
    }
    Ok(args)
}

/// The level, which the engine takes no notice of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub u8);

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

impl ClapArgs for Level {
    fn augment_args(command: Command) -> Command {
        let option = |id: &'static str| Arg::new(id).action(ArgAction::SetTrue).hide(true);
        DIGITS
            .into_iter()
            .fold(command, |command, digit| {
                command.arg(option(digit).short(digit.chars().next()))
            })
            .arg(option("fast").long("fast"))
            .arg(option("best").long("best"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Level {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let levels = (0..).zip(DIGITS).chain([(1, "fast"), (9, "best")]);
        let given = levels.filter(|(_, id)| matches.get_flag(id));
        let last = given.max_by_key(|(_, id)| matches.indices_of(id).and_then(Iterator::max));
        Ok(Self(last.map_or(6, |(level, _)| level)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A number of queues or jobs.
fn count() -> RangedI64ValueParser<u16> {
    value_parser!(u16).range(1..=1024)
}

/// A number of KiB, or of what a letter behind it says.
fn block_size(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'b' | 'B')) => (&text[..at], 1),
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        _ => (text, 1 << 10),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| "not a size such as 256K or 1M")?;
    // What gzip means by it.
    if digits.len() == text.len() && number < 32 {
        return Ok(BLOCK);
    }
    number
        .checked_mul(factor)
        .filter(|bytes| (512..=REQUEST_MAX).contains(bytes))
        .ok_or_else(|| "a block has 512 bytes to 8M".into())
}

/// Bytes of a block where nothing is said.
const BLOCK: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["accel-gzip"], arguments].concat()).and_then(checked)
    }

    #[test]
    fn the_command_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_are_as_gzip_users_expect() {
        let args = parsed(&["-dkfv", "-9", "a.gz", "-1"]).unwrap();
        assert!(args.decompress && args.keep && args.force && args.verbose);
        assert_eq!(args.files, [PathBuf::from("a.gz")]);
        assert!(parsed(&["--uncompress", "--to-stdout"]).unwrap().stdout);
    }

    #[test]
    fn options_may_come_twice_or_shortened() {
        assert!(
            parsed(&["-c", "-c", "-dd", "-S", "a", "-S", "b"])
                .unwrap()
                .stdout
        );
        assert!(
            parsed(&["--decomp", "--keep", "--sync"])
                .unwrap()
                .decompress
        );
        let loud = |arguments: &[&str]| {
            let args = parsed(arguments).unwrap();
            (args.verbose, args.quiet)
        };
        assert_eq!(loud(&["-vv"]), (true, false));
        assert_eq!(loud(&["-qv"]), (true, false));
        assert_eq!(loud(&["-v", "-q"]), (false, true));
    }

    #[test]
    fn the_last_level_counts() {
        let level = |arguments: &[&str]| parsed(arguments).unwrap().level.0;
        assert_eq!(level(&[]), 6);
        assert_eq!(level(&["-9", "-1"]), 1);
        assert_eq!(level(&["-1", "--best"]), 9);
        assert_eq!(level(&["--fast", "-9", "-1", "-5"]), 5);
        assert_eq!(level(&["-0"]), 0);
    }

    #[test]
    fn names_of_programs_say_what_they_do() {
        for (name, preset) in [
            ("gzip", ""),
            ("accel-gzip", ""),
            ("gunzip", "-d"),
            ("accel-gunzip", "-d"),
            ("uncompress", "-d"),
            ("zcat", "-dc"),
            ("gzcat", "-dc"),
        ] {
            assert_eq!(by_name(name), preset, "{name}");
        }
    }

    #[test]
    fn the_environment_has_harmless_options_only() {
        let words = environment(" -9nq --no-name\t--verb ").unwrap();
        assert_eq!(words, ["-9nq", "--no-name", "--verb"]);
        for bad in ["-", "--", "-d", "-9c", "--stdout", "-Sxxx", "-n file"] {
            assert!(environment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_go_with_names_unless_told() {
        let both = |arguments: &[&str]| {
            let args = parsed(arguments).unwrap();
            (args.with_name(), args.with_time())
        };
        assert_eq!(both(&["-m"]), (true, false));
        assert_eq!(both(&["-d", "-M"]), (false, true));
        assert_eq!(both(&["-m", "-N"]), (true, true));
        assert_eq!(both(&["-N", "-m", "-n"]), (false, false));
    }

    #[test]
    fn names_are_stored_but_not_restored() {
        for (arguments, with) in [
            (&[][..], true),
            (&["-n"], false),
            (&["-n", "-N"], true),
            (&["-N", "-n"], false),
            (&["-d"], false),
            (&["-d", "-N"], true),
        ] {
            assert_eq!(
                parsed(arguments).unwrap().with_name(),
                with,
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn the_mode_is_one_or_all_when_measured() {
        let modes = |arguments: &[&str]| {
            let args = parsed(arguments).ok()?;
            Some(args.mode.list().to_vec())
        };
        assert_eq!(modes(&[]), Some(vec![AddressMode::Shared]));
        let kernel = ["--mode", "kernel"];
        assert_eq!(modes(&kernel), Some(vec![AddressMode::Kernel]));
        let all = ["--mode", "all", "--bench", "3"];
        assert_eq!(modes(&all).map(|modes| modes.len()), Some(3));
        assert_eq!(modes(&all[..2]), None);
        assert_eq!(modes(&["--mode", "none"]), None);
    }

    #[test]
    fn block_sizes_have_units_and_bounds() {
        assert_eq!(block_size("256K"), Ok(256 << 10));
        assert_eq!(block_size("8m"), Ok(8 << 20));
        assert_eq!(block_size("1000b"), Ok(1000));
        assert_eq!(block_size("1024"), Ok(1 << 20));
        assert_eq!(block_size("12"), Ok(BLOCK));
        for bad in ["9M", "0K", "", "K", "1G", "99999999999999999999M", "-1"] {
            assert!(block_size(bad).is_err(), "{bad}");
        }
    }
}
