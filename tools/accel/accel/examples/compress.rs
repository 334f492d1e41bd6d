// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compresses standard input to standard output, or decompresses it with `-d`.

use std::io;

use accel::{Engine, Format, read};

fn main() -> io::Result<()> {
    let engine = Engine::auto();
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    if std::env::args().nth(1).as_deref() == Some("-d") {
        io::copy(
            &mut read::Decoder::new(&engine, Format::Gzip, input),
            &mut output,
        )?;
    } else {
        io::copy(
            &mut read::Encoder::new(&engine, Format::Gzip, input),
            &mut output,
        )?;
    }
    if let Some(trouble) = engine.trouble() {
        eprintln!("{trouble}");
    }
    eprintln!("{:?}", engine.work());
    Ok(())
}
