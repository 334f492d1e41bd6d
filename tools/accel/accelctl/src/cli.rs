// SPDX-License-Identifier: GPL-2.0
//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use accel::find::Wish;
use accel::{AddressMode, Function};
use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

use crate::events::{self, Kind};
use crate::export::Target;
use crate::find::{self, Near};
use crate::schema::Writer;
use crate::top::{self, Sort};

const AFTER_HELP: &str = "\
DEV is a number, accelN or a path. But for reset and selftest, only the monitor nodes \
(/dev/accel_monitorN) are opened: no answer waits for hardware, and no access to the compute nodes \
is needed. Of the use by processes, you see that of your own; root, or who has CAP_PERFMON, sees \
that of all.

Exit status: 0, or 1 after an error, or 2 after a mistake on the command line. That there is no \
device is an error, but with --json an empty list.

Examples:
  accelctl list                    a line for each accelerator
  accelctl info accel1 --json      all that is known of accel1, for programs
  accelctl top                     what they do, and for whom
  accelctl events --type fault     tells of faults as they happen
  accelctl find --function gzip    path of the best device for a process on this CPU";

const TOP_HELP: &str = "\
BUSY% is the time that the device worked, the sum of its queues: above 100 where it works on \
several at once. A dash is what is not known, or not yet.

Keys: q quits, up and down or k and j scroll the processes, left and right the columns, s sorts \
the processes by something else, ? explains keys and columns, Ctrl-Z stops. HISTORY is BUSY% at \
the last looks. Devices that take no jobs are red, or reversed with NO_COLOR.

Without a terminal, or with --once, -n or --json, tables are written instead. The first comes \
after the time of -d, because it takes two looks to measure.";

const EVENTS_HELP: &str = "\
Times are seconds since the machine was started, as in the kernel log. Addresses and processes are \
told to root, or to who has CAP_PERFMON. Events that came faster than they were read are counted \
(lost). Devices that appear later, or are bound anew, are followed too. With DEV, it ends when \
that is gone.";

const RESET_HELP: &str = "\
All queues of the device end, and their programs must make new ones. A device that is isolated \
after too many errors is in service again. Needs CAP_SYS_ADMIN; nothing is asked.";

const SELFTEST_HELP: &str = "\
The programs that drive the HiSilicon ZIP engine leave open what it does in some cases. Each is \
asked by requests on queues of the command's own, and the answer is a reading of the emulated \
device: the one that it has by default, or the name of the milder one. `neither` is news.

Without --alone nobody else is in danger: only such requests are sent as programs make every day, \
or any file can come to, and each is waited for 10 seconds at most. With --alone there are some \
that no program is known to make. A queue that hangs by one may cost a reset of the device, and \
the queues of all; so the device must not be in use. No doorbell is rung and no address given that \
is not the command's own. What can't be asked without that is listed with the reason.

It takes access to the compute node; what the driver has seen is told to root.

Exit status: 1 if an answer fits no reading, or something that must work does not.";

const CDI_HELP: &str = "\
It writes linux-accel.json by the Container Device Interface 0.5, which podman, containerd, CRI-O \
and Docker read. A device has the name of its number and that of its address on the bus, which \
stays the same when devices are bound in another order; `all` is all of them. Write it anew when \
devices have come or gone. Who may open the nodes in a container is as outside: the group of \
/dev/accelN has to be the process's there, too.

Examples:
  accelctl cdi --output /etc/cdi
  podman run --device linux/accel=accel0 --group-add keep-groups IMAGE";

const EXPORT_HELP: &str = "\
Without --listen and --textfile, it answers at the sockets that systemd hands over. /metrics is in \
OpenMetrics 1.0 for who accepts it, and in the text format of Prometheus for others; a file is in \
the latter. A file is replaced as a whole. /metrics has a metric for each quantity that devices \
tell, the device as label `device`, and what it is as labels of accel_device_info.

Totals do not go back as long as this runs, also where a device is bound anew, and where processes \
end. What the kernel does not count has no series.

It needs no rights. Use by user and sensors of power are told to who has CAP_PERFMON.

Examples:
  accelctl export --listen 127.0.0.1:9950
  accelctl export --textfile /var/lib/prometheus/node-exporter/accel.prom --interval 15";

const FIND_HELP: &str = "\
The best device takes a new queue now (those in reset and those without a free queue come last), \
is nearest by the distance of NUMA nodes, then by the PCI bridges that it shares with ADDR, and is \
the least busy of those: measured over a short time in steps of 10 %, then by queues in use. \
Devices that are isolated or gone are left out.

Exit status: 1 if there is none.

Example:
  accel-gzip --device $(accelctl find --function gzip --near-address 0000:41:00.0) FILE";

/// Shows, watches, chooses, resets and questions accelerators.
#[derive(Debug, Parser)]
#[command(name = "accelctl", version, after_help = AFTER_HELP)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Write JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A line for each accelerator
    List,
    /// Facts, status, errors, sensors, address modes and use of one
    Info {
        /// Which one; not needed if there is only one
        #[arg(value_name = "DEV")]
        device: Option<String>,
    },
    /// How busy they are, and who uses them, as it changes
    Top(Top),
    /// What happens on one or all, as it happens
    Events(Events),
    /// Resets one; all its queues end
    #[command(after_help = RESET_HELP)]
    Reset {
        /// Which one
        #[arg(value_name = "DEV")]
        device: String,
    },
    /// Path of the one that suits best
    Find(Find),
    /// What the silicon of a HiSilicon ZIP engine does
    Selftest(Selftest),
    /// Metrics for Prometheus
    Export(Export),
    /// Specifications for container runtimes
    #[command(after_help = CDI_HELP)]
    Cdi {
        /// Write into this directory, such as /etc/cdi or /var/run/cdi
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
    },
    /// JSON schema of what a command writes with --json
    Schema {
        /// Which command; any by default
        #[arg(value_name = "COMMAND")]
        command: Option<Writer>,
    },
    /// What a shell needs to complete command lines
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Man pages
    Manual {
        /// Write into this directory
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
    },
}

/// Arguments of `selftest`.
#[derive(Debug, ClapArgs)]
#[command(after_help = SELFTEST_HELP)]
pub struct Selftest {
    /// Which one; not needed if there is only one
    #[arg(value_name = "DEV")]
    pub device: Option<String>,

    /// Also ask what might end in a reset; nobody else may use it
    #[arg(long)]
    pub alone: bool,
}

/// Arguments of `top`.
#[derive(Debug, ClapArgs)]
#[command(after_help = TOP_HELP)]
pub struct Top {
    /// Which one; all by default
    #[arg(value_name = "DEV")]
    device: Option<String>,

    /// Time between two looks
    #[arg(short, long, value_name = "SECS", default_value = "2", value_parser = delay)]
    delay: Duration,

    /// Write this many tables, and end
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Write one table, and end
    #[arg(long, conflicts_with = "count")]
    once: bool,

    /// What processes are sorted by
    #[arg(short, long, value_name = "WHAT", default_value = "busy")]
    sort: Sort,
}

impl Top {
    /// As the command takes them.
    pub fn options(&self, json: bool) -> top::Options {
        top::Options {
            device: self.device.clone(),
            delay: self.delay,
            count: if self.once { Some(1) } else { self.count },
            sort: self.sort,
            json,
        }
    }
}

/// Arguments of `events`.
#[derive(Debug, ClapArgs)]
#[command(after_help = EVENTS_HELP)]
pub struct Events {
    /// Which one; all by default
    #[arg(value_name = "DEV")]
    pub device: Option<String>,

    /// Only these, with commas between them
    #[arg(short = 't', long = "type", value_name = "TYPE", value_delimiter = ',')]
    kinds: Vec<Kind>,

    /// End after this many
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End when nothing has happened for this long
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    timeout: Option<Duration>,
}

impl Events {
    /// As the command takes them.
    pub fn options(&self, json: bool) -> events::Options {
        events::Options {
            kinds: self.kinds.clone(),
            count: self.count,
            timeout: self.timeout,
            json,
        }
    }
}

/// Arguments of `export`.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXPORT_HELP)]
pub struct Export {
    /// Answer at this address, such as 127.0.0.1:9950
    #[arg(short, long, value_name = "ADDR")]
    listen: Option<String>,

    /// Write this file, for the node exporter's collector of text files
    #[arg(short, long, value_name = "PATH", conflicts_with = "listen")]
    textfile: Option<PathBuf>,

    /// Write it anew after each of these times
    #[arg(short, long, value_name = "SECS", requires = "textfile", value_parser = delay)]
    interval: Option<Duration>,
}

impl Export {
    /// As the command takes them.
    pub fn target(&self) -> Target {
        match (&self.listen, &self.textfile) {
            (Some(address), _) => Target::Listen(address.clone()),
            (None, Some(path)) => Target::Textfile {
                path: path.clone(),
                interval: self.interval,
            },
            (None, None) => Target::Activated,
        }
    }
}

/// Arguments of `find`.
#[derive(Debug, ClapArgs)]
#[command(after_help = FIND_HELP)]
pub struct Find {
    /// What it shall do: copy, fill, checksum, deflate, zlib or gzip; several with commas
    #[arg(short, long, value_name = "FUNCTION", value_delimiter = ',', value_parser = function)]
    function: Vec<Function>,

    /// The address mode that it shall offer: shared, private or kernel
    #[arg(short, long, value_name = "MODE", value_parser = mode)]
    mode: Option<AddressMode>,

    /// Near this NUMA node; by default, that of the CPU on which this runs
    #[arg(long, value_name = "N")]
    near_node: Option<u32>,

    /// Near this device on the PCI bus, such as 0000:01:00.0
    #[arg(long, value_name = "ADDR", conflicts_with = "near_node")]
    near_address: Option<String>,

    /// How long to look at how busy devices are, if there are several
    #[arg(long, value_name = "SECS", default_value = "0.2", value_parser = seconds)]
    sample: Duration,

    /// Tell of all devices, the best first, with the reason
    #[arg(short, long)]
    all: bool,
}

impl Find {
    /// As the command takes them.
    pub fn options(&self, json: bool) -> find::Options {
        find::Options {
            wish: Wish {
                functions: self.function.clone(),
                mode: self.mode,
            },
            near: self.near(),
            sample: self.sample,
            all: self.all,
            json,
        }
    }

    fn near(&self) -> Near {
        match (self.near_node, &self.near_address) {
            (Some(node), _) => Near::Node(node),
            (None, Some(address)) => Near::Address(address.clone()),
            (None, None) => Near::Here,
        }
    }
}

/// A time in seconds, with a point if need be.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

/// A time that leaves the machine something else to do.
fn delay(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time < Duration::from_millis(100) {
        return Err("at least 0.1 seconds".into());
    }
    Ok(time)
}

fn function(text: &str) -> Result<Function, String> {
    known(Function::KNOWN, text)
}

fn mode(text: &str) -> Result<AddressMode, String> {
    known(AddressMode::KNOWN, text)
}

/// The value of this name.
fn known<T: Copy + ToString>(values: &[T], text: &str) -> Result<T, String> {
    let found = values.iter().find(|value| value.to_string() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = values.iter().map(T::to_string).collect();
        format!("one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["accelctl"], arguments].concat())
    }

    #[test]
    fn the_command_is_consistent() {
        Args::command().debug_assert();
        assert!(parsed(&["info", "accel1", "--json"]).unwrap().json);
    }

    #[test]
    fn every_option_has_a_help() {
        for command in Args::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{}", argument.get_id());
            }
        }
    }

    #[test]
    fn top_is_live_unless_told_how_often() {
        let options = |arguments: &[&str]| match parsed(arguments).unwrap().command {
            Command::Top(top) => top.options(false),
            other => panic!("{other:?}"),
        };
        assert_eq!(options(&["top"]).count, None);
        assert_eq!(options(&["top", "--once"]).count, Some(1));
        let options = options(&["top", "-n", "3", "-d", "0.5", "1", "-s", "pid"]);
        assert_eq!((options.count, options.sort), (Some(3), Sort::Pid));
        assert_eq!(options.delay, Duration::from_millis(500));
        for bad in [["-d", "0"], ["-d", "x"], ["-n", "0"], ["-d", "-1"]] {
            assert!(parsed(&[&["top"][..], &bad].concat()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn types_of_events_are_a_list() {
        let Command::Events(events) = parsed(&["events", "--type", "fault,reset"])
            .unwrap()
            .command
        else {
            panic!("not events");
        };
        assert_eq!(events.options(false).kinds, [Kind::Fault, Kind::Reset]);
        assert!(parsed(&["events", "--type", "lost"]).is_err());
    }

    #[test]
    fn metrics_go_to_one_place() {
        let target = |arguments: &[&str]| match parsed(arguments).unwrap().command {
            Command::Export(export) => export.target(),
            other => panic!("{other:?}"),
        };
        assert!(matches!(target(&["export"]), Target::Activated));
        let listen = target(&["export", "--listen", "[::1]:9950"]);
        assert!(matches!(listen, Target::Listen(address) if address == "[::1]:9950"));
        let file = target(&["export", "--textfile", "a.prom"]);
        assert!(matches!(file, Target::Textfile { interval: None, .. }));
        for bad in [
            &["export", "--listen", "x:1", "--textfile", "y"][..],
            &["export", "--interval", "15"],
            &["export", "--textfile", "y", "--interval", "0"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn find_looks_near_one_place() {
        let near = |arguments: &[&str]| match parsed(arguments).unwrap().command {
            Command::Find(find) => find.options(false).near,
            other => panic!("{other:?}"),
        };
        assert!(matches!(near(&["find"]), Near::Here));
        assert!(matches!(near(&["find", "--near-node", "1"]), Near::Node(1)));
        let address = near(&["find", "--near-address", "01:00.0"]);
        assert!(matches!(address, Near::Address(text) if text == "01:00.0"));
        for bad in [
            &["find", "--near-node", "1", "--near-address", "01:00.0"][..],
            &["find", "--function", "fly"],
            &["find", "--mode", "none"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }
}
