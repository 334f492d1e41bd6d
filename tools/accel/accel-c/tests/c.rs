// SPDX-License-Identifier: GPL-2.0 OR MIT
//! C programs with the library as it is installed: the header, the flags of pkg-config, the sample.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

use tempfile::TempDir;

/// The real library, and the one with an engine in memory. For tests alone, cargo builds none.
fn libraries() -> [PathBuf; 2] {
    static BUILT: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    BUILT.call_once(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--locked", "--offline", "--package", "libaccel-c"]);
        cargo.args(["--lib", "--example", "accel_fake", "--target-dir"]);
        cargo.arg(profile.parent().unwrap());
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        succeed(&mut cargo);
    });
    ["libaccel.so", "examples/libaccel_fake.so"].map(|name| profile.join(name))
}

/// Where the library is installed.
struct Installed {
    root: TempDir,
}

impl Installed {
    /// Nothing if there is no C compiler.
    fn new(library: &Path) -> Option<Self> {
        if Command::new("cc").arg("--version").output().is_err() {
            eprintln!("skipped: no C compiler (cc)");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let variable = |name: &str, value: &Path| format!("{name}={}", value.display());
        let mut make = Command::new("make");
        make.arg("-C").arg(directory).arg("install");
        make.arg(variable("PREFIX", root.path()));
        make.arg(variable("LIBRARY", library));
        succeed(&mut make);
        Some(Self { root })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What pkg-config tells, or what it would.
    fn flags(&self) -> Vec<String> {
        let mut config = Command::new("pkg-config");
        config.args(["--cflags", "--libs", "libaccel"]);
        config.env("PKG_CONFIG_PATH", self.path("lib/pkgconfig"));
        match config.output() {
            Ok(output) => {
                assert!(output.status.success(), "{output:?}");
                let flags = String::from_utf8(output.stdout).unwrap();
                flags.split_whitespace().map(Into::into).collect()
            }
            Err(_) => vec![
                format!("-I{}", self.path("include").display()),
                format!("-L{}", self.path("lib").display()),
                "-laccel".into(),
            ],
        }
    }

    /// The program that is made of `source`.
    fn program(&self, source: &Path) -> Command {
        let binary = self.path("program");
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Wextra", "-Werror", "-o"]);
        succeed(cc.arg(&binary).arg(source).args(self.flags()));
        let mut program = Command::new(binary);
        program.env("LD_LIBRARY_PATH", self.path("lib"));
        program
    }
}

#[track_caller]
fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    output
}

fn plain() -> Vec<u8> {
    let words = (0u32..).flat_map(|n| format!("{} ", n.wrapping_mul(n) >> 7).into_bytes());
    words.take(3_000_000).collect()
}

/// What the sample makes of `plain`, and what it says.
fn compressed(mut sample: Command, plain: &[u8]) -> (Vec<u8>, String) {
    sample.stdin(Stdio::piped());
    sample.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = sample.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(plain).unwrap());
        child.wait_with_output().unwrap()
    });
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    (output.stdout, told)
}

fn check_sample(library: &Path, hangs: bool, told: &str) {
    let Some(installed) = Installed::new(library) else {
        return;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../samples/accel/compress.c");
    let mut sample = installed.program(&source);
    if hangs {
        sample.env("FAKE_HANGS", "1");
    }
    let plain = plain();
    let (packed, says) = compressed(sample, &plain);
    assert_eq!(says, told);
    let mut back = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(&packed[..]);
    decoder.read_to_end(&mut back).unwrap();
    assert!(back == plain);
}

#[test]
fn the_sample_compresses_on_a_device() {
    let [_, fake] = libraries();
    check_sample(&fake, false, "3000000 bytes by devices, 0 by software\n");
}

#[test]
fn the_sample_goes_on_where_jobs_hang() {
    let [_, fake] = libraries();
    check_sample(&fake, true, "0 bytes by devices, 3000000 by software\n");
}

#[test]
fn the_library_itself_compresses() {
    let [real, _] = libraries();
    let Some(installed) = Installed::new(&real) else {
        return;
    };
    let source = installed.path("software.c");
    std::fs::write(
        &source,
        "#include <libaccel.h>\n#include <string.h>\n\
         int main(void)\n{\n\
         \tchar plain[5000], packed[9000], back[5000];\n\
         \tsize_t len = sizeof(packed), back_len = sizeof(back);\n\
         \tstruct libaccel_engine *engine = libaccel_software();\n\
         \tmemset(plain, 'a', sizeof(plain));\n\
         \tif (libaccel_compress_bound(sizeof(plain)) > len ||\n\
         \t    libaccel_compress(engine, LIBACCEL_ZLIB, plain, sizeof(plain), packed, &len))\n\
         \t\treturn 1;\n\
         \tif (libaccel_decompress(engine, LIBACCEL_ZLIB, packed, len, back, &back_len) ||\n\
         \t    back_len != sizeof(back) || memcmp(back, plain, sizeof(back)))\n\
         \t\treturn 2;\n\
         \tlibaccel_free(engine);\n\
         \treturn 0;\n}\n",
    )
    .unwrap();
    succeed(&mut installed.program(&source));
}

#[test]
fn a_c_program_uses_all_that_the_header_has() {
    let [_, fake] = libraries();
    let Some(installed) = Installed::new(&fake) else {
        return;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api.c");
    let told = succeed(&mut installed.program(&source)).stdout;
    assert_eq!(String::from_utf8(told).unwrap(), "all is well\n");
    // As C++ reads it.
    let mut cpp = Command::new("c++");
    cpp.args(["-x", "c++", "-fsyntax-only", "-Wall", "-Werror"]);
    cpp.arg(installed.path("include/libaccel.h"));
    if let Ok(output) = cpp.output() {
        assert!(output.status.success(), "{output:?}");
    }
}

/// Programs ask for the library by the name of its first version.
#[test]
fn the_library_has_its_name() {
    let [real, _] = libraries();
    let Ok(output) = Command::new("readelf").arg("-d").arg(&real).output() else {
        eprintln!("skipped: no readelf");
        return;
    };
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("[libaccel.so.1]"), "{told}");
}

#[test]
fn the_manual_is_read_without_complaint() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("libaccel.3");
    let Ok(output) = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8", "-z"])
        .arg(&manual)
        .output()
    else {
        eprintln!("skipped: no groff");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = std::fs::read_to_string(manual).unwrap();
    let header =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/libaccel.h"))
            .unwrap();
    let names = header.split(|c: char| !c.is_alphanumeric() && c != '_');
    for name in names.filter(|name| name.starts_with("libaccel_")) {
        assert!(text.contains(name), "{name} is not in the manual");
    }
}
