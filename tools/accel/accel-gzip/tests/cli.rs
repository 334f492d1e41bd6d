// SPDX-License-Identifier: GPL-2.0
//! The program as a person uses it, with an engine in memory.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use tempfile::TempDir;

/// The example that has the engine in memory; `cargo test` builds it beside the program.
fn program() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_accel-gzip")).with_file_name("examples");
    let program = beside.join("accel-gzip-fake");
    assert!(
        program.exists(),
        "missing {}: run `cargo build --examples`",
        program.display()
    );
    program
}

struct Bench {
    directory: TempDir,
    mode: &'static str,
}

const MODES: [&str; 3] = ["shared", "private", "kernel"];

impl Bench {
    fn new() -> Self {
        Self::in_mode("shared")
    }

    fn in_mode(mode: &'static str) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            mode,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg0("accel-gzip")
            .env_remove("GZIP")
            .args(["--mode", self.mode])
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn run_with(&self, arguments: &[&str], fate: &str) -> Output {
        self.command(arguments)
            .env("FAKE_FATE", fate)
            .output()
            .unwrap()
    }

    /// Runs it as a filter.
    fn filter(&self, arguments: &[&str], input: &[u8]) -> Output {
        self.filter_with(arguments, input, "1000000:hang")
    }

    fn filter_with(&self, arguments: &[&str], input: &[u8], fate: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .env("FAKE_FATE", fate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A child that has enough closes the pipe.
            scope.spawn(move || drop(stdin.write_all(input)));
            child.wait_with_output().unwrap()
        })
    }
}

#[track_caller]
fn check(output: &Output, status: i32, words: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(stderr.contains(words), "`{words}` is not in: {stderr}");
    if words.is_empty() {
        assert_eq!(stderr, "");
    }
}

/// Text that compresses, and differs everywhere.
fn text(len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 32);
    let mut n = 0u64;
    while text.len() < len {
        writeln!(
            text,
            "line {n} {:x}",
            n.wrapping_mul(n).wrapping_mul(2_654_435_761) % 65_537
        )
        .unwrap();
        n += 1;
    }
    text.truncate(len);
    text
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let level = flate2::Compression::default();
    flate2::read::GzEncoder::new(plain, level)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[test]
fn files_go_there_and_back() {
    for (plain, block) in [
        (text(0), "1M"),
        (text(1), "1M"),
        (text(3_000_000), "1M"),
        (text(100_000), "512B"),
        (noise(300_000), "64K"),
        (noise(9 << 20), "8M"),
    ] {
        for (queues, mode) in [
            ("-j1", "shared"),
            ("-j4", "shared"),
            ("-j4", "private"),
            ("-j2", "kernel"),
        ] {
            for form in ["-k", "-ik"] {
                let bench = Bench::in_mode(mode);
                bench.file("data", &plain);
                check(&bench.run(&["-b", block, queues, form, "data"]), 0, "");
                let packed = fs::read(bench.path("data.gz")).unwrap();
                assert!(gunzip(&packed) == plain);
                check(&bench.run(&["-t", queues, "data.gz"]), 0, "");
                fs::remove_file(bench.path("data")).unwrap();
                check(&bench.run(&["-d", queues, "data.gz"]), 0, "");
                assert_eq!(bench.names(), ["data"]);
                assert!(fs::read(bench.path("data")).unwrap() == plain);
            }
        }
    }
}

#[test]
fn pipes_go_there_and_back() {
    for bench in MODES.map(Bench::in_mode) {
        for plain in [text(0), text(10), text(5_000_000), noise(2_500_000)] {
            for how in ["poll", "spin", "auto"] {
                let packed = bench.filter(&["--wait", how, "-j3", "-i"], &plain);
                check(&packed, 0, "");
                assert!(gunzip(&packed.stdout) == plain);
                let back = bench.filter(&["-d", "--wait", how], &packed.stdout);
                check(&back, 0, "");
                assert!(back.stdout == plain);
            }
        }
    }
}

#[test]
fn a_slow_pipe_gets_its_output_when_it_pauses() {
    let bench = Bench::new();
    let mut command = bench.command(&["-b", "1K"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(&text(1024)).unwrap();
    let mut first = [0; 2];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(first, [0x1f, 0x8b]);
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_slow_pipe_of_members_too() {
    let bench = Bench::new();
    for name in [None, Some("a-name-of-some-length")] {
        let packed = match name {
            None => bench.filter(&["-n"], b"x").stdout,
            Some(name) => {
                bench.file(name, b"x");
                bench.run(&["-c", name]).stdout
            }
        };
        let mut command = bench.command(&["-d"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        for _ in 0..3 {
            stdin.write_all(&packed).unwrap();
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            assert_eq!(byte, *b"x");
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_fifo_is_waited_for_only_when_read() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("fifo")).status();
    assert!(made.unwrap().success());
    check(
        &bench.run(&["fifo"]),
        2,
        "not a directory or a regular file",
    );
    let path = bench.path("fifo");
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        fs::write(path, b"content").unwrap();
    });
    let output = bench.run(&["-c", "fifo"]);
    check(&output, 0, "");
    assert_eq!(gunzip(&output.stdout), b"content");
    writer.join().unwrap();
}

#[test]
fn what_others_compressed_is_a_stream() {
    for bench in MODES.map(Bench::in_mode) {
        let (one, two) = (text(12_000_000), noise(3_000_000));
        let packed = [gzip(&one), gzip(b""), gzip(&two)].concat();
        let plain = [one, two].concat();
        bench.file("data.gz", &packed);
        let from_file = bench.run(&["-dc", "data.gz"]);
        check(&from_file, 0, "");
        assert!(from_file.stdout == plain);
        let from_pipe = bench.filter(&["-d"], &packed);
        check(&from_pipe, 0, "");
        assert!(from_pipe.stdout == plain);
    }
}

#[test]
fn members_of_all_kinds_may_follow_each_other() {
    for bench in MODES.map(Bench::in_mode) {
        let (a, b, c) = (text(2_500_000), text(700_000), noise(1_200_000));
        let ours = |plain: &[u8]| bench.filter(&["-i", "-b", "300K"], plain).stdout;
        let packed = [gzip(&b), ours(&a), gzip(&c), ours(b""), ours(&c)].concat();
        let plain = [&b[..], &a, &c, &c].concat();
        for zeroes in [0, 1, 7, 10_000] {
            let padded = [packed.clone(), vec![0; zeroes]].concat();
            bench.file("data.gz", &padded);
            for output in [
                bench.run(&["-dc", "data.gz"]),
                bench.filter(&["-d"], &padded),
            ] {
                check(&output, 0, "");
                assert!(output.stdout == plain, "{zeroes}");
            }
        }
    }
}

#[test]
fn garbage_behind_is_a_warning() {
    let bench = Bench::new();
    for packed in [gzip(b"content"), bench.filter(&["-i"], b"content").stdout] {
        for garbage in [&b"garbage"[..], b"\0\0x", b"\x1fx"] {
            bench.file("data.gz", &[&packed, garbage].concat());
            let output = bench.run(&["-dc", "data.gz"]);
            check(&output, 2, "trailing garbage ignored");
            assert_eq!(output.stdout, b"content");
        }
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = text(400_000);
        let ours = |form| bench.filter(&["-b", "100K", form], &plain).stdout;
        for packed in [gzip(&plain), ours("-n"), ours("-i")] {
            let len = packed.len();
            for at in [len / 3, len / 2, len - 7, len - 2] {
                let mut damaged = packed.clone();
                damaged[at] ^= 0x10;
                bench.file("data.gz", &damaged);
                let output = bench.run(&["-t", "data.gz"]);
                assert_eq!(output.status.code(), Some(1), "byte {at} of {len}");
                check(&bench.filter(&["-t"], &damaged), 1, "accel-gzip: stdin: ");
            }
            for cut in [3, 12, len / 2, len - 9, len - 1] {
                bench.file("data.gz", &packed[..cut]);
                check(&bench.run(&["-d", "data.gz"]), 1, "accel-gzip: data.gz: ");
                assert_eq!(
                    bench.names(),
                    ["data.gz"],
                    "no partial output of {cut} bytes"
                );
            }
        }
    }
}

#[test]
fn what_is_not_gzip_is_refused_or_copied() {
    let bench = Bench::new();
    bench.file("data.gz", b"plain words");
    check(&bench.run(&["-d", "data.gz"]), 1, "not in gzip format");
    let copied = bench.run(&["-dcf", "data.gz"]);
    check(&copied, 0, "");
    assert_eq!(copied.stdout, b"plain words");
    check(&bench.filter(&["-d"], b""), 1, "unexpected end");
    // As zgrep has it, whatever it finds.
    for plain in [&b""[..], b"\0", b"x", b"\x1f", b"ab", b"PK", b"\0\0\0\0"] {
        for arguments in ["-cdfq", "-df"] {
            let copied = bench.filter(&[arguments], plain);
            check(&copied, 0, "");
            assert_eq!(copied.stdout, plain);
        }
    }
    let mixed = bench.filter(&["-cdf"], &[&gzip(b"one,")[..], b"two"].concat());
    check(&mixed, 0, "");
    assert_eq!(mixed.stdout, b"one,two");
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let bench = Bench::new();
    bench.file("data", b"new");
    bench.file("data.gz", b"old");
    check(&bench.run(&["data"]), 2, "already exists");
    assert_eq!(fs::read(bench.path("data.gz")).unwrap(), b"old");
    check(&bench.run(&["-f", "data"]), 0, "");
    assert_eq!(gunzip(&fs::read(bench.path("data.gz")).unwrap()), b"new");
    assert_eq!(bench.names(), ["data.gz"]);
}

/// Somebody gives the name to another file, while a question has the input open.
#[test]
fn another_file_of_the_input_s_name_stays() {
    let bench = Bench::new();
    let packed = gzip(b"content");
    for (name, input, target, option) in [
        ("data", &b"content"[..], "data.gz", "-n"),
        ("data.gz", &packed, "data", "-d"),
    ] {
        bench.file(name, input);
        bench.file(target, b"old");
        bench.file("other", b"other");
        let mut command = bench.command(&["---presume-input-tty", option, name]);
        let piped = command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut question = [0; 64];
        let asked = child.stderr.as_mut().unwrap().read(&mut question).unwrap();
        assert!(question[..asked].ends_with(b"overwrite (y or n)? "));
        fs::rename(bench.path("other"), bench.path(name)).unwrap();
        child.stdin.take().unwrap().write_all(b"y\n").unwrap();
        let output = child.wait_with_output().unwrap();
        check(&output, 1, "stays: it is another file now");
        assert_eq!(fs::read(bench.path(name)).unwrap(), b"other");
        assert_ne!(fs::read(bench.path(target)).unwrap(), b"old");
    }
}

/// As gzip 1.12 has it, word for word.
#[test]
fn files_with_rights_of_others_are_left_alone() {
    let bench = Bench::new();
    let path = bench.file("data", b"content");
    for (mode, words, forced) in [
        (0o4755, "is set-user-ID on execution - ignored", 2),
        (0o2755, "is set-group-ID on execution - ignored", 2),
        (0o1644, "has the sticky bit set - file ignored", 0),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        check(&bench.run(&["-c", "data"]), 0, "");
        check(&bench.run(&["data"]), 2, &format!("data {words}\n"));
        check(&bench.run(&["-k", "data"]), 2, words);
        let words = if forced == 0 { "" } else { words };
        check(&bench.run(&["-kf", "data"]), forced, words);
        assert_eq!(bench.path("data.gz").exists(), forced == 0);
    }
    let mode = bench.path("data.gz").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn mode_and_time_are_copied() {
    let bench = Bench::new();
    let path = bench.file("data", b"content");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let past = std::time::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(past)
        .unwrap();
    let facts = |name: &str| {
        let metadata = bench.path(name).metadata().unwrap();
        (metadata.mode() & 0o7777, metadata.modified().unwrap())
    };
    check(&bench.run(&["data"]), 0, "");
    assert_eq!(facts("data.gz"), (0o640, past));
    check(&bench.run(&["-d", "data.gz"]), 0, "");
    assert_eq!(facts("data"), (0o640, past));
}

#[test]
fn name_and_time_are_stored_and_restored_on_demand() {
    let bench = Bench::new();
    let path = bench.file("data", b"content");
    let past = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(past)
        .unwrap();
    check(&bench.run(&["-k", "data"]), 0, "");
    let now = fs::File::options()
        .write(true)
        .open(bench.path("data.gz"))
        .unwrap();
    now.set_modified(std::time::SystemTime::now()).unwrap();
    fs::rename(bench.path("data.gz"), bench.path("other.gz")).unwrap();
    fs::remove_file(&path).unwrap();
    check(&bench.run(&["-dkN", "other.gz"]), 0, "");
    assert_eq!(path.metadata().unwrap().modified().unwrap(), past);
    check(&bench.run(&["-d", "other.gz"]), 0, "");
    assert_eq!(bench.names(), ["data", "other"]);

    check(&bench.run(&["-n", "data"]), 0, "");
    let packed = fs::read(bench.path("data.gz")).unwrap();
    assert_eq!(packed[3..8], [0, 0, 0, 0, 0]);
}

#[test]
fn a_header_cannot_make_a_file_replace_itself() {
    let bench = Bench::new();
    bench.file("x.gz", b"content");
    let packed = bench.run(&["-c", "-S", ".none", "x.gz"]).stdout;
    bench.file("x.gz", &packed);
    check(&bench.run(&["-dfN", "x.gz"]), 1, "is the input itself");
    assert_eq!(fs::read(bench.path("x.gz")).unwrap(), packed);
}

#[test]
fn odd_files_are_left_alone() {
    let bench = Bench::new();
    bench.file("data", b"content");
    fs::create_dir(bench.path("directory")).unwrap();
    check(&bench.run(&["-d", "data"]), 2, "unknown suffix");
    check(&bench.run(&["directory"]), 2, "is a directory");
    check(&bench.run(&["missing"]), 1, "accel-gzip: missing: ");
    symlink("data", bench.path("link")).unwrap();
    check(&bench.run(&["link"]), 1, "symbolic link");
    fs::hard_link(bench.path("data"), bench.path("second")).unwrap();
    check(&bench.run(&["data"]), 2, "data has 1 other link --");
    check(&bench.run(&["-k", "data"]), 0, "");
    check(
        &bench.run(&["data.gz"]),
        0,
        "data.gz already has .gz suffix",
    );
    check(&bench.run(&["-q", "directory"]), 2, "");
    // One that is left alone does not hide that another failed.
    check(&bench.run(&["missing", "directory"]), 1, "is a directory");
}

#[test]
fn a_link_is_followed_when_forced() {
    let bench = Bench::new();
    bench.file("data", b"content");
    symlink("data", bench.path("link")).unwrap();
    assert_eq!(gunzip(&bench.run(&["-c", "link"]).stdout), b"content");
    check(&bench.run(&["-f", "link"]), 0, "");
    assert_eq!(bench.names(), ["data", "link.gz"]);
}

#[test]
fn a_plain_name_finds_the_compressed_file() {
    let bench = Bench::new();
    bench.file("data.gz", &gzip(b"content"));
    check(&bench.run(&["-d", "data"]), 0, "");
    assert_eq!(fs::read(bench.path("data")).unwrap(), b"content");
}

#[test]
fn many_files_are_done_one_after_the_other() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.file(name, name.as_bytes());
    }
    check(&bench.run(&["-j4", "a", "missing", "b", "c"]), 1, "missing");
    assert_eq!(bench.names(), ["a.gz", "b.gz", "c.gz"]);
}

#[test]
fn a_failed_job_is_done_without_the_engine() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = text(700_000);
        let words = "at byte 340000: the engine reports status 0x23";
        for form in ["-n", "-i"] {
            bench.file("data", &plain);
            bench.file("second", b"content");
            let required = ["--require-device", "-b", "20000b", form, "data", "second"];
            check(&bench.run_with(&required, "17:35"), 1, words);
            assert_eq!(bench.names(), ["data", "second.gz"]);
            let arguments = ["-kv", "-b", "20000b", form, "data"];
            let output = bench.run_with(&arguments, "17:35");
            check(&output, 0, &format!("goes on in software: {words}"));
            assert!(gunzip(&fs::read(bench.path("data.gz")).unwrap()) == plain);
            let output = bench.filter_with(&["-v", "-b", "20000b", form], &plain, "17:35");
            check(&output, 0, words);
            assert!(gunzip(&output.stdout) == plain);
            fs::remove_file(bench.path("data.gz")).unwrap();
            fs::remove_file(bench.path("second.gz")).unwrap();
        }
    }
}

#[test]
fn an_engine_that_fails_again_and_again_is_left_alone() {
    let bench = Bench::new();
    let names = ["1", "2", "3", "4", "5"];
    for name in names {
        bench.file(name, &text(10_000));
    }
    let output = bench.run_with(&[&["-v"], &names[..]].concat(), "0:35");
    check(&output, 0, "5:\t");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("goes on in software").count(), 3, "{told}");
    assert_eq!(bench.names(), names.map(|name| format!("{name}.gz")));
}

#[test]
fn incompressible_data_that_does_not_fit_is_stored() {
    for bench in MODES.map(Bench::in_mode) {
        bench.file("data", &noise(200_000));
        check(
            &bench.run_with(&["-k", "-b", "100K", "data"], "1:14"),
            0,
            "",
        );
        assert!(gunzip(&fs::read(bench.path("data.gz")).unwrap()) == noise(200_000));
        check(&bench.run(&["-t", "data.gz"]), 0, "");
    }
}

#[test]
fn output_that_does_not_come_is_found() {
    for bench in MODES.map(Bench::in_mode) {
        // All blocks are the same, and so is what becomes of them.
        let plain = text(1000).repeat(100);
        bench.file("data", &plain);
        for form in ["-n", "-i"] {
            let words = "at byte 70000: the engine's output does not end";
            let required = ["--require-device", "-b", "1000B", form, "data"];
            check(&bench.run_with(&required, "70:lost"), 1, words);
            assert_eq!(bench.names(), ["data"]);
            let output = bench.run_with(&["-cv", "-b", "1000B", form, "data"], "70:lost");
            check(&output, 0, words);
            assert!(gunzip(&output.stdout) == plain);
        }
        // What can be had without the engine is.
        let plain = noise(100_000);
        bench.file("data", &plain);
        check(&bench.run(&["-ik", "-b", "10000B", "data"]), 0, "");
        let output = bench.run_with(&["-dc", "data.gz"], "0:lost");
        check(&output, 0, "");
        assert!(output.stdout == plain);
        // Not where the engine is what counts.
        let output = bench.run_with(&["--require-device", "-t", "data.gz"], "0:lost");
        check(&output, 1, "crc error");
        let plain = noise(3_000_000);
        bench.file("other.gz", &gzip(&plain));
        let output = bench.run_with(&["--require-device", "-t", "other.gz"], "1:35");
        check(&output, 1, "the engine reports status 0x23");
        let output = bench.run_with(&["-dc", "other.gz"], "1:35");
        check(&output, 0, "");
        assert!(output.stdout == plain);
        // What is written can't be taken back.
        let output = bench.run_with(&["-dc", "other.gz"], "1:lost");
        check(&output, 1, "invalid compressed data--crc error");
    }
}

#[test]
fn output_of_other_input_is_found() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = text(100_000);
        bench.file("data", &plain);
        let required = ["--require-device", "-b", "1000b", "data"];
        let words = "at byte 70000: the engine's checksum is not that of the input";
        check(&bench.run_with(&required, "70:wrong"), 1, words);
        assert_eq!(bench.names(), ["data"]);
        let output = bench.run_with(&["-cv", "-b", "1000b", "data"], "70:wrong");
        check(&output, 0, words);
        assert!(gunzip(&output.stdout) == plain);
        let mut piped = bench.command(&["--require-device", "-b", "1000b"]);
        piped
            .stdin(fs::File::open(bench.path("data")).unwrap())
            .env("FAKE_FATE", "70:wrong");
        check(&piped.output().unwrap(), 1, words);
        let arguments = ["--bench", "2", "-b", "1000b", "data"];
        check(&bench.run_with(&arguments, "170:wrong"), 1, words);
    }
}

/// Both ends of the output, and what the engine says of its input, are as they should be.
#[test]
fn damaged_output_is_found_where_it_is_looked_for() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = text(100_000);
        bench.file("data", &plain);
        let words = "the engine's output is not that of the input";
        for form in ["-n", "-i"] {
            for (fate, options) in [("0:damaged", "-v"), ("7:damaged", "--verify")] {
                let arguments = [
                    "-cv",
                    "-b",
                    "10000b",
                    "--in-flight",
                    "1",
                    form,
                    options,
                    "data",
                ];
                let output = bench.run_with(&arguments, fate);
                check(&output, 0, words);
                assert!(gunzip(&output.stdout) == plain);
                let arguments = [&["--require-device"], &arguments[..]].concat();
                check(&bench.run_with(&arguments, fate), 1, words);
            }
            check(&bench.run(&["-c", "--verify", form, "data"]), 0, "");
        }
    }
}

#[test]
fn a_device_that_goes_away_is_done_without() {
    let waits = ["poll", "spin", "auto"];
    for (how, mode) in waits
        .into_iter()
        .flat_map(|how| MODES.map(|mode| (how, mode)))
    {
        for form in ["-n", "-i"] {
            let bench = Bench::in_mode(mode);
            let plain = text(700_000);
            bench.file("data", &plain);
            let arguments = ["-v", "-b", "50K", form, "--wait", how, "data"];
            let output = bench.run_with(&arguments, "5:die");
            check(
                &output,
                0,
                "goes on in software: fake0: queue 5 is dead: the device is gone",
            );
            assert!(gunzip(&fs::read(bench.path("data.gz")).unwrap()) == plain);
            let output = bench.filter_with(&arguments[..6], &plain, "5:die");
            check(&output, 0, "the device is gone");
            assert!(gunzip(&output.stdout) == plain);
            // From a file, and that of independent members from a pipe.
            let output = bench.run_with(&["-dcv", "data.gz"], "0:die");
            check(&output, 0, "the device is gone");
            assert!(output.stdout == plain);
        }
    }
}

/// The engine dies while half of the next member has come.
#[test]
fn a_pipe_of_members_goes_on_where_it_was() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = noise(40_000);
        let packed = bench.filter(&["-i", "-b", "10000B"], &plain).stdout;
        let magic = |at: &usize| packed[*at..].starts_with(b"\x1f\x8b\x08\x04");
        let second = (1..packed.len()).find(magic).unwrap();
        // Amid its content, its header, and behind that.
        for at in [second + 2000, second + 5, second + 24] {
            let mut command = bench.command(&["-dv"]);
            command
                .env("FAKE_FATE", "0:die")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            // A pipe has room for so much, and it comes at once.
            stdin.write_all(&packed[..at]).unwrap();
            let mut back = vec![0; 10_000];
            let stdout = child.stdout.as_mut().unwrap();
            stdout.read_exact(&mut back).unwrap();
            stdin.write_all(&packed[at..]).unwrap();
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            check(&output, 0, "goes on in software");
            assert!([back, output.stdout].concat() == plain, "{at}");
        }
    }
}

/// As long as there is not too much of it to be kept.
#[test]
fn a_member_from_a_pipe_is_done_once_more() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = noise(3_000_000);
        let packed = gzip(&plain).repeat(2);
        for fate in ["0:die", "2:die", "3:35"] {
            let output = bench.filter_with(&["-dv"], &packed, fate);
            check(&output, 0, "goes on in software");
            assert!(output.stdout == plain.repeat(2), "{fate}");
        }
    }
}

#[test]
fn a_device_that_is_required_must_not_go_away() {
    let bench = Bench::new();
    bench.file("data", &text(3_000_000));
    bench.file("second", b"content");
    let arguments = ["--require-device", "-b", "100K", "data", "second"];
    let output = bench.run_with(&arguments, "5:die");
    check(
        &output,
        1,
        "data: fake0: queue 5 is dead: the device is gone",
    );
    assert_eq!(bench.names(), ["data", "second.gz"]);
}

#[test]
fn fewer_queues_than_wanted_will_do() {
    let bench = Bench::new();
    bench.file("data", &text(3_000_000));
    let mut command = bench.command(&["-v", "-j8", "-b", "10K", "data"]);
    let output = command.env("FAKE_QUEUES", "2").output().unwrap();
    check(&output, 0, "2 queues");
}

#[test]
fn no_queue_at_all_will_do_unless_one_is_required() {
    let bench = Bench::new();
    let plain = text(300_000);
    let without = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command.env("FAKE_QUEUES", "0").output().unwrap()
    };
    for form in ["-n", "-i", "-0", "-9"] {
        bench.file("data", &plain);
        let output = without(&["-v", form, "data"]);
        check(&output, 0, "(software, ");
        assert!(gunzip(&fs::read(bench.path("data.gz")).unwrap()) == plain);
        check(&without(&["-t", "data.gz"]), 0, "");
        check(&without(&["-d", "data.gz"]), 0, "");
        assert!(fs::read(bench.path("data")).unwrap() == plain);
    }
    let output = without(&["-v", "data"]);
    check(&output, 0, "goes on in software: fake0: all its queues");
    let output = without(&["--require-device", "-d", "data.gz"]);
    check(&output, 1, "all its queues are in use");
}

/// Nor does one that can't be handled, where the file system has files without a name.
#[test]
fn a_signal_leaves_no_partial_file() {
    for (name, number) in [("INT", 2), ("KILL", 9)] {
        let bench = Bench::new();
        bench.file("data", &text(3_000_000));
        let mut command = bench.command(&["-b", "100K", "--wait", "poll", "data"]);
        let mut child = command.env("FAKE_FATE", "9:hang").spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while bench.names().len() < 2 && !has_nameless_file(child.id(), &bench) {
            assert!(Instant::now() < deadline, "no output begun");
            std::thread::sleep(Duration::from_millis(5));
        }
        let nameless = has_nameless_file(child.id(), &bench);
        if name == "KILL" && !nameless {
            // What `eprintln!` writes is not shown of a test that passes.
            let what = b"\nnot checked: there are no files without a name here\n";
            std::io::stderr().write_all(what).unwrap();
        }
        // The shell has this one built in; a small system need not have it as a program.
        let kill = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", child.id())])
            .status()
            .unwrap();
        assert!(kill.success());
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        if name == "INT" || nameless {
            assert_eq!(bench.names(), ["data"], "{name}");
        }
    }
}

fn has_nameless_file(pid: u32, bench: &Bench) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.flatten().any(|entry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        target.starts_with(bench.directory.path())
            && target.to_string_lossy().ends_with("(deleted)")
    })
}

#[test]
fn a_reader_that_has_enough_ends_it_silently() {
    let bench = Bench::new();
    bench.file("data.gz", &gzip(&text(20_000_000)));
    let mut command = bench.command(&["-dc", "data.gz"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(13));
    assert_eq!(output.stderr, b"");
}

#[test]
fn verbose_tells_ratio_jobs_and_speed() {
    let bench = Bench::new();
    bench.file("data", &text(1_000_000));
    let output = bench.run(&["-v", "-i", "-b", "100K", "data"]);
    check(
        &output,
        0,
        "% -- replaced with data.gz (10 jobs, 1 queues, ",
    );
    // The end mark is none.
    check(&bench.run(&["-tv", "data.gz"]), 0, "% -- OK (10 jobs, ");
}

#[test]
fn small_files_are_done_without_a_job() {
    let bench = Bench::new();
    for (len, how) in [(4096, "(software, "), (4097, "(1 jobs, ")] {
        bench.file("data", &text(len));
        check(&bench.run(&["-kfv", "data"]), 0, how);
        check(
            &bench.run(&["-kfv", "--require-device", "data"]),
            0,
            "(1 jobs, ",
        );
        assert!(gunzip(&fs::read(bench.path("data.gz")).unwrap()) == text(len));
    }
}

/// A job would take longer than the work.
#[test]
fn small_members_are_done_without_a_job() {
    let bench = Bench::new();
    let plain = text(100_000);
    bench.file("data", &plain);
    check(&bench.run(&["-i", "-b", "512B", "data"]), 0, "");
    let output = bench.run(&["-dcv", "data.gz"]);
    check(&output, 0, "(software, ");
    assert!(output.stdout == plain);
}

#[test]
fn the_bench_counts_its_jobs() {
    for bench in MODES.map(Bench::in_mode) {
        bench.file("data", &text(1_000_000));
        let output = bench.run(&["--bench", "3", "-b", "100K", "--wait", "spin", "data"]);
        check(&output, 0, "bench: begin\nbench: end\n");
        let line = String::from_utf8(output.stdout).unwrap();
        let start = format!("data: 30 jobs, {} mode, 1 queues, ", bench.mode);
        assert!(line.starts_with(&start), "{line}");
        check(&bench.run(&["-i", "data"]), 0, "");
        let output = bench.run(&["-d", "--bench", "2", "data.gz"]);
        check(&output, 0, "bench: begin");
        assert_eq!(bench.names(), ["data.gz"]);
        check(
            &bench.filter(&["--bench", "2", "-"], b"x"),
            1,
            "regular file",
        );
        check(&bench.run(&["--bench", "0", "data.gz"]), 1, "invalid value");
    }
}

/// A member may have less than a trailer's bytes to tell.
#[test]
fn small_members_are_measured() {
    for bench in MODES.map(Bench::in_mode) {
        for len in [1, 5, 7, 8, 9] {
            bench.file("data", &text(len));
            check(&bench.run(&["-f", "--independent", "data"]), 0, "");
            let output = bench.run(&["-d", "--bench", "2", "data.gz"]);
            check(&output, 0, "bench: begin\nbench: end\n");
        }
    }
}

#[test]
fn all_modes_are_measured_side_by_side() {
    let bench = Bench::new();
    bench.file("data", &text(1_000_000));
    let output = bench.run(&["--mode", "all", "--bench", "2", "-b", "100K", "data"]);
    check(&output, 0, "bench: begin");
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told.lines().count(), MODES.len(), "{told}");
    for (line, mode) in told.lines().zip(MODES) {
        let start = format!("data: 20 jobs, {mode} mode, ");
        assert!(line.starts_with(&start), "{told}");
    }
    let output = bench.run(&["--mode", "all", "--bench", "2", "data", "missing"]);
    check(&output, 1, "missing");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    let output = bench.run(&["--mode", "all", "data"]);
    check(&output, 1, "--mode all goes with --bench only");
}

#[test]
fn usage_errors_have_status_one() {
    let program = env!("CARGO_BIN_EXE_accel-gzip");
    for arguments in [
        &["--no-such"][..],
        &["-b", "9M"],
        &["-j0"],
        &["--wait", "x"],
        &["--mode", "none"],
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let help = Command::new(program).arg("--help").output().unwrap();
    assert!(help.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("Exit status")
    );
    let output = Command::new(program)
        .args(["--device", "zip"])
        .output()
        .unwrap();
    check(&output, 1, "not an accelerator's name");
}

/// A header with a comment of `len` bytes, and the rest of `member` behind it.
fn with_comment(member: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = member[..10].to_vec();
    assert_eq!(bytes[3], 0);
    bytes[3] = 1 << 4;
    bytes.extend(std::iter::repeat_n(b'x', len));
    bytes.push(0);
    bytes.extend_from_slice(&member[10..]);
    bytes
}

#[test]
fn a_cut_within_any_header_is_an_unexpected_end() {
    let bench = Bench::new();
    let one = gzip(b"content");
    let two = with_comment(&one, 30);
    let ours = bench.filter(&["-i"], b"content").stdout;
    for next in [&two, &ours] {
        for cut in 1..next.len() {
            bench.file("data.gz", &[&one[..], &next[..cut]].concat());
            let output = bench.run(&["-d", "data.gz"]);
            check(&output, 1, "data.gz: unexpected end of file");
            assert_eq!(bench.names(), ["data.gz"], "{cut}");
        }
    }
    // A header that is none any more is not garbage either.
    for foreign in [&b"\x1f\x8b\x07\0"[..], b"\x1f\x8b\x08\xff\0"] {
        bench.file("data.gz", &[&one[..], foreign].concat());
        check(&bench.run(&["-d", "data.gz"]), 1, "not supported");
        assert_eq!(bench.names(), ["data.gz"]);
    }
}

#[test]
fn a_long_comment_is_no_garbage() {
    let bench = Bench::new();
    let one = gzip(b"content");
    let long = with_comment(&one, 2 << 20);
    for (packed, plain) in [
        ([&one[..], &long].concat(), &b"contentcontent"[..]),
        (long, b"content"),
    ] {
        bench.file("data.gz", &packed);
        let output = bench.run(&["-dc", "data.gz"]);
        check(&output, 0, "");
        assert_eq!(output.stdout, plain);
    }
}

#[test]
fn a_cut_between_members_is_an_unexpected_end() {
    for bench in MODES.map(Bench::in_mode) {
        let packed = bench.filter(&["-i", "-b", "64K"], &text(300_000)).stdout;
        let magic = |at: &usize| packed[*at..].starts_with(b"\x1f\x8b\x08\x04");
        let starts: Vec<_> = (1..packed.len()).filter(magic).collect();
        assert_eq!(starts.len(), 5);
        for cut in starts {
            for behind in [&b""[..], b"\0\0", b"garbage"] {
                bench.file("data.gz", &[&packed[..cut], behind].concat());
                let output = bench.run(&["-d", "data.gz"]);
                check(&output, 1, "unexpected end of file");
                assert_eq!(bench.names(), ["data.gz"]);
            }
        }
        // Others may follow the end mark, and the other way round.
        let both = [&packed[..], &gzip(b"x"), &packed].concat();
        check(&bench.filter(&["-t"], &both), 0, "");
    }
}

#[test]
fn one_member_has_all() {
    for bench in MODES.map(Bench::in_mode) {
        for plain in [text(0), text(1), noise(200_000), text(3_000_000)] {
            let packed = bench.filter(&["-j3", "-b", "100K"], &plain).stdout;
            let mut first = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
            decoder.read_to_end(&mut first).unwrap();
            assert!(first == plain);
            // The length that the end tells is that of all.
            let len = packed.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            assert_eq!(len, Some(plain.len() as u32));
        }
    }
}

#[test]
fn of_a_damaged_file_all_before_the_damage_is_written() {
    for bench in MODES.map(Bench::in_mode) {
        let plain = noise(3_000_000);
        let ours = bench.filter(&["-i", "-b", "100K"], &plain).stdout;
        for packed in [gzip(&plain), bench.filter(&[], &plain).stdout, ours] {
            for cut in [100_000, packed.len() / 2, packed.len() - 1000] {
                bench.file("data.gz", &packed[..cut]);
                let output = bench.run(&["-dc", "data.gz"]);
                check(&output, 1, "data.gz: unexpected end of file");
                let had = output.stdout.len();
                assert!(had + 70_000 > cut, "{had} of {cut}");
                assert!(plain.starts_with(&output.stdout));
            }
            let mut damaged = packed.clone();
            // Behind the trailer there may be the end mark.
            let at = damaged.len() - if packed[3] == 4 { 42 } else { 8 };
            damaged[at] ^= 1;
            bench.file("data.gz", &damaged);
            let output = bench.run(&["-dc", "data.gz"]);
            check(&output, 1, "data.gz: invalid compressed data--");
            assert!(output.stdout.len() + 70_000 > plain.len());
            assert!(plain.starts_with(&output.stdout));
        }
    }
}

#[test]
fn another_meaning_of_our_extra_field_does_no_harm() {
    let bench = Bench::new();
    let mut packed = gzip(b"content");
    packed[3] = 4;
    packed.splice(10..10, *b"\x08\0AZ\x04\0\xff\xff\0\0");
    let output = bench.filter(&["-d"], &packed);
    check(&output, 0, "");
    assert_eq!(output.stdout, b"content");
}

/// A stored entry of a zip archive.
fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32).to_le_bytes();
    let mut entry = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0".to_vec();
    entry.extend(crc32fast::hash(content).to_le_bytes());
    entry.extend([len, len].concat());
    entry.extend([name.len() as u8, 0, 0, 0]);
    entry.extend(name.as_bytes());
    entry.extend(content);
    entry
}

#[test]
fn an_archive_of_several_entries_stays() {
    let bench = Bench::new();
    let archive = [entry("a", b"one"), entry("b", b"two")].concat();
    bench.file("all.zip", &archive);
    let output = bench.run(&["-d", "-S", ".zip", "all.zip"]);
    check(&output, 1, "has more than one entry -- unchanged");
    assert_eq!(bench.names(), ["all.zip"]);
    assert_eq!(fs::read(bench.path("all.zip")).unwrap(), archive);
    let output = bench.run(&["-dc", "-S", ".zip", "all.zip"]);
    assert_eq!(output.stdout, b"one");
    assert_eq!(output.status.code(), Some(2));
}

/// Such a member is one request too many for the engine, and goes through it as a stream.
#[test]
fn large_members_need_an_end_mark_too() {
    let bench = Bench::new();
    bench.file("data", &noise(8 << 20));
    check(&bench.run(&["-i", "-b", "8M", "data"]), 0, "");
    let mut packed = fs::read(bench.path("data.gz")).unwrap();
    check(&bench.run(&["-t", "data.gz"]), 0, "");
    let begins = |bytes: &[u8]| bytes.starts_with(&[0x1f, 0x8b, 8]);
    let mark = packed.windows(3).rposition(begins).unwrap();
    assert!(packed.len() - mark < 64, "the last member is empty");
    packed.truncate(mark);
    bench.file("data.gz", &packed);
    check(&bench.run(&["-t", "data.gz"]), 1, "unexpected end of file");
}

#[test]
fn what_cannot_be_mapped_is_read() {
    let bench = Bench::new();
    let paths = [
        "kernel/uevent_seqnum",
        "devices/system/cpu/online",
        "power/state",
    ];
    let paths = paths.map(|path| format!("/sys/{path}"));
    let Some(path) = paths.iter().find(|path| fs::read(path).is_ok()) else {
        // What `eprintln!` writes is not shown of a test that passes.
        let what = b"\nnot checked: there is no sysfs\n";
        std::io::stderr().write_all(what).unwrap();
        return;
    };
    let content = fs::read(path).unwrap();
    bench.file("second", b"content");
    let output = bench.run(&["-c", path, "second"]);
    check(&output, 0, "file size changed while zipping");
    assert!(gunzip(&output.stdout) == [&content[..], b"content"].concat());
}

#[test]
fn too_little_address_space_is_no_obstacle() {
    let bench = Bench::new();
    let plain = text(500_000);
    bench.file("data", &plain);
    let script = "ulimit -v 40000; exec \"$0\" -c data";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program());
    let output = command
        .current_dir(bench.directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(gunzip(&output.stdout) == plain);
}

#[test]
fn what_a_live_stream_has_sent_is_written() {
    let bench = Bench::new();
    let packed = gzip(&noise(1_000_000));
    let mut command = bench.command(&["-d"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // No more than the pipes hold.
    for part in packed[..75_000].chunks(25_000) {
        stdin.write_all(part).unwrap();
        let mut plain = vec![0; 15_000];
        stdout.read_exact(&mut plain).unwrap();
    }
    drop(stdout);
    drop(stdin);
    assert!(!child.wait().unwrap().success());
}

/// Both sides of a terminal.
fn terminal() -> (fs::File, fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person = openpt(flags).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let path = ptsname(&person, Vec::new()).unwrap();
    let path = path.to_str().unwrap();
    let program = fs::File::options().read(true).write(true).open(path);
    (person.into(), program.unwrap())
}

/// What a person sees of a stream whose second half comes later than the line is due.
fn seen(bench: &Bench, option: &str, shares_terminal: bool) -> String {
    let packed = gzip(&noise(40_000));
    let (mut person, program) = terminal();
    let mut command = bench.command(&[option]);
    command.env("FAKE_QUEUES", "0").stdin(Stdio::piped());
    if shares_terminal {
        command.stdout(program.try_clone().unwrap());
    } else {
        command.stdout(Stdio::piped());
    }
    let mut child = command.stderr(program).spawn().unwrap();
    drop(command);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&packed[..20_000]).unwrap();
    // It has begun when something comes.
    let mut first = [0; 10];
    match &mut child.stdout {
        Some(stdout) => stdout.read_exact(&mut first).unwrap(),
        None => person.read_exact(&mut first).unwrap(),
    }
    std::thread::sleep(Duration::from_millis(300));
    stdin.write_all(&packed[20_000..]).unwrap();
    drop(stdin);
    let mut screen = Vec::new();
    std::thread::scope(|scope| {
        let stdout = child.stdout.take();
        scope.spawn(|| stdout.map(|mut stdout| stdout.read_to_end(&mut Vec::new())));
        // It is an error that nobody has the other side any more.
        let _ = person.read_to_end(&mut screen);
    });
    child.wait().unwrap();
    String::from_utf8_lossy(&screen).into()
}

#[test]
fn how_far_it_is_is_told_where_it_does_no_harm() {
    const LINE: &str = " MB/s\x1b[K";
    let bench = Bench::new();
    assert!(seen(&bench, "-dv", false).contains(LINE));
    assert_eq!(seen(&bench, "-d", false), "");
    // It would be amid the text.
    assert!(!seen(&bench, "-dcv", true).contains(LINE));
}

#[test]
fn the_name_says_what_to_do() {
    let bench = Bench::new();
    bench.file("data.gz", &gzip(b"content"));
    let called =
        |name: &str, arguments: &[&str]| bench.command(arguments).arg0(name).output().unwrap();
    let output = called("/usr/bin/zcat", &["data.gz"]);
    check(&output, 0, "");
    assert_eq!(output.stdout, b"content");
    check(&called("gunzip", &["data.gz"]), 0, "");
    assert_eq!(bench.names(), ["data"]);
    check(
        &called("gzip", &["-d", "data"]),
        2,
        "gzip: data: unknown suffix",
    );
}

#[test]
fn the_environment_presets_options() {
    let bench = Bench::new();
    let preset = |options: &str| {
        bench.file("data", b"content");
        let mut command = bench.command(&["-fk", "data"]);
        command.env("GZIP", options).output().unwrap()
    };
    check(&preset("-9q"), 0, "");
    assert_eq!(fs::read(bench.path("data.gz")).unwrap()[8], 2);
    check(
        &preset("--fast"),
        0,
        "GZIP environment variable is deprecated",
    );
    assert_eq!(fs::read(bench.path("data.gz")).unwrap()[8], 4);
    check(&preset("-d"), 1, "-d: option not valid in GZIP");
    check(&preset("file"), 1, "file: non-option in GZIP");
    check(&bench.run(&["-S", "", "data"]), 1, "invalid suffix ''");
}

#[test]
fn directories_are_done_with_all_they_have() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("a/b")).unwrap();
    bench.file("a/one", b"1");
    bench.file("a/b/two", b"2");
    bench.file("a/b/three.gz", b"3");
    check(&bench.run(&["-r", "a"]), 0, "");
    for name in ["a/one.gz", "a/b/two.gz", "a/b/three.gz"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    bench.file("a/b/three.gz", &gzip(b"3"));
    bench.file("a/other", b"");
    check(&bench.run(&["-dr", "a"]), 0, "");
    assert_eq!(fs::read(bench.path("a/b/two")).unwrap(), b"2");
}

#[test]
fn files_are_listed() {
    let bench = Bench::new();
    let plain = text(100_000);
    bench.file("data", &plain);
    check(&bench.run(&["data"]), 0, "");
    let output = bench.run(&["-lv", "data.gz"]);
    check(&output, 0, "");
    let told = String::from_utf8(output.stdout).unwrap();
    let mut lines = told.lines();
    let head = "method  crc     date  time           compressed        uncompressed  ratio \
                uncompressed_name";
    assert_eq!(lines.next(), Some(head));
    let line = lines.next().unwrap();
    let crc = format!("defla {:08x} ", crc32fast::hash(&plain));
    assert!(line.starts_with(&crc) && line.ends_with("% data"), "{line}");
    assert!(line.contains(" 100000 "), "{line}");
    let output = bench.run(&["-l", "data.gz", "data.gz"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .ends_with("% (totals)\n")
    );
    bench.file("none", b"plain words");
    check(&bench.run(&["-l", "none"]), 1, "not in gzip format");
}

/// As gzip 1.12 tells them, but for the checksum that there is none of: ffffffff by its manual.
#[test]
fn what_is_listed_has_its_method_and_local_time() {
    let bench = Bench::new();
    let past = std::time::UNIX_EPOCH + Duration::from_secs(1_593_604_800);
    let mut packed = gzip(b"banana");
    packed[4..8].copy_from_slice(&1_000_000_000u32.to_le_bytes());
    let gz = format!("{:08x}", crc32fast::hash(b"banana"));
    for (name, content, told, size) in [
        (
            "p.z",
            &b"\x1f\x1e\0\0\0\x06\x03\x01\x01\0anb\x16\xc8"[..],
            "pack  ffffffff",
            "-150.0% p",
        ),
        (
            "a.Z",
            b"\x1f\x9d\x90\x61\x02\x0a\x04",
            "compr ffffffff",
            "-16.7% a",
        ),
        (
            "s.zip",
            &entry("inner", b"banana"),
            "store ffffffff",
            "-583.3% s.zip",
        ),
        ("d.zip", &deflated(b"banana"), "defla ffffffff", " d.zip"),
        ("g.gz", &packed, &format!("defla {gz}"), " 0.0% g"),
    ] {
        let path = bench.file(name, content);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(past).unwrap();
        let list = |option: &str, standard_input: bool| {
            let mut command = bench.command(&[option]);
            command.env("TZ", "IST-5:30");
            match standard_input {
                true => command.stdin(fs::File::open(&path).unwrap()),
                false => command.arg(name),
            };
            let output = command.output().unwrap();
            check(&output, 0, "");
            String::from_utf8(output.stdout).unwrap()
        };
        let line = |text: String| text.lines().next_back().unwrap().to_string();
        let told_line = line(list("-lv", false));
        assert!(
            told_line.starts_with(&format!("{told} Jul  1 17:30 ")),
            "{told_line}"
        );
        assert!(told_line.ends_with(size), "{told_line}");
        assert!(line(list("-lv", true)).ends_with("% stdout"));
        let date = if name == "g.gz" {
            " Sep  9 07:16 "
        } else {
            " Jul  1 17:30 "
        };
        assert!(list("-lvN", false).contains(date), "{name}");
    }
}

/// A deflated entry of a zip archive.
fn deflated(content: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    let level = flate2::Compression::default();
    let mut encoder = flate2::read::DeflateEncoder::new(content, level);
    encoder.read_to_end(&mut data).unwrap();
    let mut bytes = entry("x", content);
    bytes.truncate(bytes.len() - content.len());
    bytes[8] = 8;
    bytes[18..22].copy_from_slice(&(data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn an_archive_that_is_cut_off_is_no_archive() {
    let bench = Bench::new();
    let plain = text(1000);
    for archive in [deflated(&plain), entry("x", &plain)] {
        let output = bench.filter(&["-d"], &archive);
        check(&output, 0, "");
        assert!(output.stdout == plain);
        for cut in (4..archive.len() - 9)
            .step_by(7)
            .chain(archive.len() - 8..archive.len())
        {
            bench.file("data.z", &archive[..cut]);
            check(
                &bench.run(&["-d", "data.z"]),
                1,
                "data.z: unexpected end of file",
            );
            assert_eq!(bench.names(), ["data.z"], "{cut} of {}", archive.len());
        }
    }
}

#[test]
fn formats_of_others_are_read() {
    let bench = Bench::new();
    let zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\xa9\x30\xc5\xfe\x07\0\0\0\x07\0\0\0\x01\0\0\0\
                xcontentPK\x01\x02";
    let table: [(&[u8], &[u8]); 4] = [
        // compress: two bytes, and a code that clears the table.
        (b"\x1f\x9d\x90\0\0\0\xc4", b"\0\0"),
        // compress: `aaaaaa` needs a code that is just being defined.
        (b"\x1f\x9d\x90\x61\x02\x0a\x04", b"aaaaaa"),
        // pack
        (b"\x1f\x1e\0\0\0\x06\x03\x01\x01\0anb\x16\xc8", b"banana"),
        (zip, b"content"),
    ];
    for (packed, plain) in table {
        let output = bench.filter(&["-d"], packed);
        check(&output, 0, "");
        assert_eq!(output.stdout, plain);
        for cut in 3..packed.len() - 4 {
            // Some of these are shorter files.
            let code = bench.filter(&["-d"], &packed[..cut]).status.code();
            assert!(matches!(code, Some(0 | 1)), "{packed:?} {cut}");
        }
    }
    let mut damaged = zip.to_vec();
    damaged[33] ^= 1;
    check(&bench.filter(&["-d"], &damaged), 1, "crc error");
    check(
        &bench.filter(&["-d"], b"\x1f\x1e\0\0\0\x06\x01\x01ab\0"),
        1,
        "violated",
    );
}

#[test]
fn a_time_that_cannot_be_told_is_a_warning() {
    let bench = Bench::new();
    for (past, status) in [(0, 2), (1, 0), (u32::MAX.into(), 0), (1u64 << 32, 2)] {
        let path = bench.file("data", b"content");
        let past = std::time::UNIX_EPOCH + Duration::from_secs(past);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(past).unwrap();
        let words = if status == 2 {
            "file timestamp out of range"
        } else {
            ""
        };
        check(&bench.run(&["-f", "data"]), status, words);
    }
    check(&bench.filter(&[], b"x"), 0, "");
}

#[test]
fn closed_descriptors_are_errors() {
    let bench = Bench::new();
    bench.file("data", b"content");
    bench.file("packed.gz", &gzip(b"content"));
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program());
        command
            .current_dir(bench.directory.path())
            .output()
            .unwrap()
    };
    for arguments in [
        "-c data",
        "-dc packed.gz",
        "-l packed.gz",
        "--bench 1 data",
        "--help",
        "-V",
        "-L",
        "<data",
    ] {
        let output = shell(&format!("\"$0\" {arguments} >&-"));
        check(&output, 1, "standard output: ");
    }
    check(&shell("\"$0\" <&-"), 1, "stdin: Bad file descriptor");
    // Who does not need them may have them closed.
    check(&shell("\"$0\" data <&- >&-"), 0, "");
    check(&shell("\"$0\" -t packed.gz <&- >&-"), 0, "");
    check(&shell("\"$0\" -c packed.gz -f >/dev/null"), 0, "");
}
