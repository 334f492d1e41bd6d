// SPDX-License-Identifier: GPL-2.0
//! The command line.

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

const AFTER_HELP: &str = "\
Output is in gzip format: a member for each block of input, each with its length in an extra \
field \"AZ\". Any gunzip reads it. Files made by accel-gzip are decompressed by many jobs in \
parallel; of other .gz files each member is decompressed as one stream.

One thread drives all queues. The modes differ in what the device sees:
  shared   this process, at the same addresses. A file is read by the device where it lies: it \
is mapped, not copied
  private  buffers that are mapped for it, and nothing else. Files are read into them
  kernel   no queue of this process at all: the kernel hands it each job, with its buffers. Files \
are read into them
In shared and private mode, no system call is made for a job while completions are looked for in \
memory; in kernel mode there is one for each.

Levels -1 to -9 (also --fast and --best) are accepted, but the engine has one level.

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

/// Compresses and decompresses files through an accelerator.
#[derive(Clone, Debug, Parser)]
#[command(name = "accel-gzip", version, after_help = AFTER_HELP)]
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

    /// Overwrite output, follow links, write compressed data to a terminal; with -dc, copy what is
    /// not in gzip format
    #[arg(short, long)]
    pub force: bool,

    /// Verify compressed files, write nothing
    #[arg(short, long)]
    pub test: bool,

    /// Tell ratio, jobs and speed of each file
    #[arg(short, long)]
    pub verbose: bool,

    /// No warnings, no progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Compressing: do not store name and time. Decompressing: do not restore them (the default)
    #[arg(short = 'n', long, overrides_with = "name")]
    pub no_name: bool,

    /// Compressing: store name and time (the default). Decompressing: restore them
    #[arg(short = 'N', long)]
    pub name: bool,

    /// Suffix of compressed files
    #[arg(short = 'S', long, value_name = "SUFFIX", default_value = ".gz")]
    pub suffix: String,

    /// Level, without effect
    #[command(flatten)]
    pub level: Level,

    /// Device: a number, accelN or a path; by default the first that does gzip
    #[arg(long, value_name = "DEV")]
    pub device: Option<String>,

    /// Queues to use at most, all driven by one thread
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1, value_parser = count())]
    pub queues: u16,

    /// Jobs in flight in each queue at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count())]
    pub in_flight: u16,

    /// Bytes of input in a job and a member, with K or M; at most 8M
    #[arg(short = 'b', long, value_name = "SIZE", default_value = "1M", value_parser = block_size)]
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
    #[arg(long, value_name = "ROUNDS", conflicts_with_all = ["stdout", "test"])]
    pub bench: Option<NonZeroU32>,
}

impl Args {
    /// Whether files are compressed.
    pub fn compresses(&self) -> bool {
        !self.decompress && !self.test
    }

    /// Whether name and time are stored, or restored.
    pub fn with_name(&self) -> bool {
        self.name || (self.compresses() && !self.no_name)
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
    Args::try_parse().and_then(checked).unwrap_or_else(|error| {
        // Nothing to be done where not even this can be printed.
        let _ = error.print();
        std::process::exit(i32::from(error.use_stderr()))
    })
}

/// `args`, if they go together.
fn checked(args: Args) -> Result<Args, clap::Error> {
    if args.mode == Modes::All && args.bench.is_none() {
        let what = "--mode all goes with --bench only";
        return Err(Args::command().error(ErrorKind::ArgumentConflict, what));
    }
    Ok(args)
}

/// The level, which has no effect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level;

impl ClapArgs for Level {
    fn augment_args(command: Command) -> Command {
        let option = |id: &'static str| Arg::new(id).action(ArgAction::SetTrue).hide(true);
        let digits = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
        digits
            .into_iter()
            .fold(command, |command, digit| {
                command.arg(
                    option(digit)
                        .short(digit.chars().next())
                        .overrides_with(digit),
                )
            })
            .arg(option("fast").long("fast"))
            .arg(option("best").long("best"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Level {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

/// A number of queues or jobs.
fn count() -> RangedI64ValueParser<u16> {
    value_parser!(u16).range(1..=1024)
}

/// A number of bytes with an optional K or M behind it.
fn block_size(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        _ => (text, 1),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| "not a size such as 256K or 1M")?;
    number
        .checked_mul(factor)
        .filter(|bytes| (512..=REQUEST_MAX).contains(bytes))
        .ok_or_else(|| "a block has 512 bytes to 8M".into())
}

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
        assert!(parsed(&["--best", "-9", "-9"]).is_ok());
        assert!(parsed(&["-0"]).is_err());
        assert!(parsed(&["--uncompress", "--to-stdout"]).unwrap().stdout);
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
        assert_eq!(block_size("1000"), Ok(1000));
        for bad in ["9M", "0", "", "K", "1G", "99999999999999999999M", "-1"] {
            assert!(block_size(bad).is_err(), "{bad}");
        }
    }
}
