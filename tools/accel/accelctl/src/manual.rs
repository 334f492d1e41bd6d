// SPDX-License-Identifier: GPL-2.0
//! `accelctl manual` and `accelctl completions`: man pages, and what a shell completes, from the
//! definition of the command line.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Args;
use crate::failure::Result;
use crate::file;

/// What the numbers mean with which the program ends.
const EXIT_STATUS: [(&str, &str); 3] = [
    (
        "0",
        "It was done. With --json, that there is no device is an empty list and no error.",
    ),
    (
        "1",
        "An error, which is told on standard error: no device, no access, no device that suits, an \
         answer of selftest that fits no reading.",
    ),
    ("2", "A mistake on the command line."),
];

/// Writes what a shell needs to complete command lines.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "accelctl", &mut script);
    Ok(out.write_all(&script)?)
}

/// Writes a man page for the program and one for each command into a directory.
pub fn pages(directory: &Path) -> Result<()> {
    let mut root = Args::command().disable_help_subcommand(true);
    root.build();
    let commands: Vec<_> = root.get_subcommands().cloned().collect();
    for command in std::iter::once(root).chain(commands) {
        let man = Man::new(command.clone()).manual("User Commands");
        let path = directory.join(man.get_filename());
        let page = page(&command, &man).map_err(|error| format!("{}: {error}", path.display()))?;
        file::replace(&path, &String::from_utf8_lossy(&page))?;
    }
    Ok(())
}

fn page(command: &Command, man: &Man) -> io::Result<Vec<u8>> {
    // As a whole line it would be taken for the licence of this file.
    const TAG: &str = "SPDX-License-Identifier";
    let mut page = format!(".\\\" {TAG}: GPL-2.0\n").into_bytes();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    after_help(&help).to_writer(&mut page)?;
    Ok(page)
}

const EXIT: &str = "Exit status: ";
const EXAMPLES: [&str; 2] = ["Example:\n", "Examples:\n"];

/// What stands below the options: notes, exit status, examples. What is said of the exit status is
/// told by the table.
fn after_help(help: &str) -> Roff {
    let of_exit = |paragraph: &&str| paragraph.starts_with(EXIT);
    let example = |paragraph: &str| {
        let tails = EXAMPLES
            .iter()
            .filter_map(|head| paragraph.strip_prefix(head));
        tails.map(String::from).next()
    };
    let paragraphs: Vec<_> = help.split("\n\n").filter(|text| !text.is_empty()).collect();
    let mut roff = Roff::new();
    let notes: Vec<_> = paragraphs
        .iter()
        .filter(|text| !of_exit(text) && example(text).is_none())
        .collect();
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
    }
    for note in notes {
        roff.text([roman(*note)]);
        roff.control("PP", []);
    }
    exit_status(&mut roff);
    for example in paragraphs.iter().filter_map(|text| example(text)) {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        example.lines().for_each(|line| {
            roff.text([roman(line)]);
        });
        roff.control("fi", []);
    }
    roff
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (number, meaning) in EXIT_STATUS {
        roff.control("TP", []);
        roff.text([bold(number)]);
        roff.text([roman(meaning)]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use clap::ValueEnum;

    use super::*;
    use crate::fake::text;

    #[test]
    fn each_command_has_a_page_with_its_options_and_the_exit_status() {
        let directory = tempfile::tempdir().unwrap();
        pages(directory.path()).unwrap();
        let mut files: BTreeSet<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(files.remove("accelctl.1"));
        let commands = Args::command();
        for command in commands.get_subcommands() {
            let name = format!("accelctl-{}.1", command.get_name());
            assert!(files.remove(&name), "{name}");
            let page = fs::read_to_string(directory.path().join(&name)).unwrap();
            assert!(page.contains(".SH \"EXIT STATUS\""), "{page}");
            let options = command
                .get_arguments()
                .filter_map(|argument| argument.get_long());
            for option in options.chain(["json"]) {
                let written = option.replace('-', "\\-");
                assert!(
                    page.contains(&format!("\\-\\-{written}")),
                    "{name}: {option}"
                );
            }
        }
        assert!(files.is_empty(), "{files:?}");
    }

    #[test]
    fn help_is_sorted_into_sections() {
        let help = "One.\n\nTwo.\n\nExit status: 1 if none.\n\nExample:\n  accelctl list";
        let text = after_help(help).to_roff();
        let positions: Vec<_> = [
            ".SH NOTES",
            "One",
            "Two",
            ".SH \"EXIT STATUS\"",
            "A mistake",
            ".SH EXAMPLES",
            ".nf",
            "accelctl list",
            ".fi",
        ]
        .iter()
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}\n{text}")))
        .collect();
        assert!(positions.is_sorted(), "{text}");
        assert!(!text.contains("1 if none"), "{text}");
    }

    #[test]
    fn each_shell_completes_each_command() {
        for shell in Shell::value_variants() {
            let script = text(|out| completions(*shell, out));
            for command in Args::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
        }
    }
}
