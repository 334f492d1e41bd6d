// SPDX-License-Identifier: GPL-2.0
//! `accelctl selftest`: asks a device what the evidence about it leaves open.

mod hardware;
mod record;

use std::io::Write;

use accel::{Answers, Device, DeviceInfo, Inquire};
use accel_silicon::{Answer, Finding, QUESTIONS, Question, Reading, ask};
use schemars::JsonSchema;
use serde::Serialize;

use crate::choice;
use crate::failure::Result;
use crate::json::{self, Document};
use crate::system::{Moment, System};
use crate::table::{self, Column};

pub use hardware::Hardware;
use record::{Exchange, Recorder};

/// The only driver whose devices there are questions for.
const DRIVER: &str = "accel_hisi_zip";

/// What came of all questions.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    device: String,
    driver: String,
    version: String,
    address: String,
    /// Whether what needs the device for itself was asked, too.
    alone: bool,
    answers: Vec<Row>,
    /// Value of the property `mild` of the emulated device that does the same, as far as is known.
    mild: String,
    /// Names of the mild readings of which it is not known whether they are right.
    unknown: Vec<&'static str>,
}

/// What came of a question.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    question: &'static str,
    text: &'static str,
    /// Name of the mild reading, if the model has one.
    mild: Option<&'static str>,
    reading: Option<&'static str>,
    seen: Option<String>,
    /// Why it was not asked.
    not_asked: Option<String>,
    /// What came between.
    failed: Option<String>,
    /// The last requests that were made for it.
    requests: Vec<Exchange>,
}

impl Row {
    fn new(question: &Question, answer: Answer, requests: Vec<Exchange>) -> Self {
        let mut row = Self {
            question: question.name,
            text: question.text,
            mild: question.mild,
            reading: None,
            seen: None,
            not_asked: None,
            failed: None,
            requests,
        };
        match answer {
            Answer::Found(Finding { reading, seen }) => {
                row.reading = Some(word(reading));
                row.seen = Some(seen);
            }
            Answer::NotAsked(reason) => row.not_asked = Some(reason),
            Answer::Failed(reason) => row.failed = Some(reason),
        }
        row
    }

    /// Name of the reading, if it is the mild one.
    fn is_mild(&self) -> Option<&'static str> {
        self.mild.filter(|_| self.reading == Some(MILD))
    }

    /// Name of the mild reading, if it is not known whether that or the default is right.
    fn is_unknown(&self) -> Option<&'static str> {
        self.mild
            .filter(|_| matches!(self.reading, None | Some(NEITHER)))
    }

    fn cells(self) -> Vec<String> {
        let reading = match (self.is_mild(), self.reading) {
            (Some(name), _) => name.into(),
            (None, Some(reading)) => reading.into(),
            (None, None) if self.failed.is_some() => "failed".into(),
            (None, None) => "not asked".into(),
        };
        let seen = self.seen.or(self.failed).or(self.not_asked);
        vec![self.question.into(), reading, seen.unwrap_or_default()]
    }
}

const MILD: &str = "mild";
const NEITHER: &str = "neither";

fn word(reading: Reading) -> &'static str {
    match reading {
        Reading::Default => "default",
        Reading::Mild => MILD,
        Reading::Neither => NEITHER,
    }
}

/// Asks the device `name`, or the only one.
pub fn run(
    system: &dyn System,
    name: Option<&str>,
    alone: bool,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let device = choice::one(system, name)?;
    let node = system.ask(&device)?;
    let facts = node.facts()?;
    if facts.driver != DRIVER {
        let driver = facts.driver;
        return Err(format!("{device}: there are no questions for devices of {driver}").into());
    }
    if alone {
        check_alone(&device, node.as_ref())?;
    }
    let report = report(system, &device, facts, alone)?;
    let failed = complaint(&report);
    write(report, system.now(), as_json, out)?;
    failed.map_or(Ok(()), |sentence| Err(sentence.into()))
}

/// Fails if somebody uses the device. Who comes later is not noticed.
fn check_alone(device: &Device, node: &dyn Answers) -> Result<()> {
    match node.status()?.contexts {
        0 => Ok(()),
        _ => Err(format!("{device}: others use it; `accelctl top` says who").into()),
    }
}

fn report(system: &dyn System, device: &Device, facts: DeviceInfo, alone: bool) -> Result<Report> {
    let mut engine = Recorder::new(system.engine(device, &facts)?);
    let row = |question| {
        let answer = ask(question, &mut engine, alone);
        Row::new(question, answer, engine.take())
    };
    let answers: Vec<Row> = QUESTIONS.iter().map(row).collect();
    let mild: Vec<_> = answers.iter().filter_map(Row::is_mild).collect();
    let unknown = answers.iter().filter_map(Row::is_unknown).collect();
    Ok(Report {
        device: device.to_string(),
        driver: facts.driver,
        version: facts.version,
        address: facts.address,
        alone,
        mild: mild.join("+"),
        unknown,
        answers,
    })
}

/// What is not as it should be: the model is wrong, or the device does not work.
fn complaint(report: &Report) -> Option<String> {
    let names = |is: &dyn Fn(&&Row) -> bool| {
        let rows = report.answers.iter().filter(is);
        rows.map(|row| row.question).collect::<Vec<_>>().join(", ")
    };
    let wrong = names(&|row| row.reading == Some(NEITHER));
    let failed = names(&|row| row.failed.is_some());
    match (wrong.is_empty(), failed.is_empty()) {
        (true, true) => None,
        (false, _) => Some(format!("the model of the device is wrong about: {wrong}")),
        (true, false) => Some(format!("no answer to: {failed}")),
    }
}

const COLUMNS: [Column; 3] = [
    Column::words("QUESTION"),
    Column::words("READING"),
    Column::words("SEEN"),
];

fn write(report: Report, now: Moment, as_json: bool, out: &mut dyn Write) -> Result<()> {
    if as_json {
        return json::write(&Document::new(now, report), out);
    }
    let (device, version) = (report.device, report.version);
    let rows: Vec<_> = report.answers.into_iter().map(Row::cells).collect();
    writeln!(out, "{device}: {DRIVER} {version}, {}\n", report.address)?;
    write!(out, "{}", table::text(&COLUMNS, &rows))?;
    let (mild, unknown) = (report.mild, report.unknown);
    writeln!(out, "\nThe emulated device does so with mild={mild}")?;
    if !unknown.is_empty() {
        let (count, names) = (unknown.len(), unknown.join(", "));
        writeln!(
            out,
            "but nothing is known of {count} readings, which it takes for harmful: {names}"
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, said};

    /// A device that nobody uses.
    fn idle() -> Fake {
        let fake = Fake::with(1);
        fake.device(0).status.contexts = 0;
        fake
    }

    /// What is written, and the sentence with which the command fails.
    fn asked(fake: &Fake, alone: bool, as_json: bool) -> (String, String) {
        let mut out = Vec::new();
        let text = said(run(fake, None, alone, as_json, &mut out));
        (String::from_utf8(out).unwrap(), text)
    }

    fn row(fake: &Fake, alone: bool, name: &str) -> serde_json::Value {
        let (out, _) = asked(fake, alone, true);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let rows = report["answers"].as_array().unwrap().clone();
        let mut found = rows.into_iter().filter(|row| row["question"] == name);
        found.next().unwrap()
    }

    #[test]
    fn a_finding_is_a_reading_of_the_model() {
        let fake = idle();
        let bits = row(&fake, false, "completion-bits");
        assert_eq!(bits["reading"], "mild");
        assert_eq!(bits["mild"], "clean-completions");
        fake.device(0).spare_bits = Some(0x801);
        let bits = row(&fake, false, "completion-bits");
        assert_eq!(bits["reading"], "default");
        assert!(bits["seen"].as_str().unwrap().contains("0x0800"));
        assert!(bits["not_asked"].is_null() && bits["failed"].is_null());
    }

    #[test]
    fn what_was_exchanged_is_told_without_addresses() {
        let fake = idle();
        let requests = row(&fake, false, "stateless-checksum")["requests"].clone();
        assert_eq!(requests.as_array().unwrap().len(), 2);
        let last = &requests[1];
        assert_eq!(last["direction"], "compress");
        assert_eq!(
            (&last["flags"], &last["method"]),
            (&"30000000".into(), &"2".into())
        );
        assert_eq!(last["input"], 1000);
        assert_eq!(last["completion"], "0 0 0 0 0 0 0 1");
        let entry: Vec<_> = last["entry"].as_str().unwrap().split(' ').collect();
        assert_eq!(
            (entry.len(), entry[17], entry[18], entry[23]),
            (32, "7", "0", "0")
        );
        assert_eq!(
            row(&fake, false, "counters")["requests"],
            serde_json::json!([])
        );
        fake.device(0).spare_bits = None;
        assert!(row(&fake, false, "room-16")["requests"][0]["entry"].is_null());
    }

    #[test]
    fn the_lines_below_the_table_have_what_is_mild_and_what_is_unknown() {
        let (out, _) = asked(&idle(), false, false);
        let line = out.lines().find(|line| line.starts_with("completion-bits"));
        assert!(line.unwrap().contains(" clean-completions "), "{out}");
        let last: Vec<_> = out.lines().rev().take(2).collect();
        assert!(last[1].contains(" mild=clean-completions"), "{out}");
        let (start, names) = last[0].split_once(": ").unwrap();
        let names: Vec<_> = names.split(", ").collect();
        let count = format!(" {} readings", names.len());
        assert!(start.contains(&count), "{out}");
        // Not to be asked, not without --alone, like no reading; answered.
        for (name, unknown) in [
            ("quiet-doorbells", true),
            ("empty-finish-fails", true),
            ("small-rooms", true),
            ("clean-completions", false),
        ] {
            assert_eq!(names.contains(&name), unknown, "{name}: {out}");
        }
    }

    #[test]
    fn what_failed_is_unknown_too() {
        let fake = idle();
        fake.device(0).spare_bits = None;
        let (out, _) = asked(&fake, false, true);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["mild"], "");
        let unknown = report["unknown"].as_array().unwrap();
        for question in QUESTIONS {
            let name = question.mild.map(serde_json::Value::from);
            assert!(name.is_none_or(|name| unknown.contains(&name)));
        }
    }

    #[test]
    fn what_fits_no_reading_is_an_error() {
        // It says that it has found no error in what has one.
        let (_, text) = asked(&idle(), false, false);
        assert!(
            text.contains("wrong about: ") && text.contains("bad-checksum"),
            "{text}"
        );
    }

    #[test]
    fn what_fits_no_reading_is_unknown() {
        let known = |name| QUESTIONS.iter().find(|question| question.name == name);
        for (reading, unknown) in [
            (Reading::Default, None),
            (Reading::Mild, None),
            (Reading::Neither, Some("small-rooms")),
        ] {
            let seen = String::new();
            let answer = Answer::Found(Finding { reading, seen });
            let row = Row::new(known("small-rooms").unwrap(), answer, Vec::new());
            assert_eq!(row.is_unknown(), unknown, "{reading:?}");
        }
    }

    #[test]
    fn silence_is_an_error() {
        let fake = idle();
        fake.device(0).spare_bits = None;
        let (out, text) = asked(&fake, false, false);
        assert!(
            text.starts_with("no answer to: completion-bits, "),
            "{text}"
        );
        assert!(out.contains("failed") && out.contains("silence"), "{out}");
    }

    #[test]
    fn some_questions_are_for_who_is_alone() {
        let fake = idle();
        let unknown = row(&fake, false, "status-algorithm");
        assert!(unknown["not_asked"].as_str().unwrap().contains("--alone"));
        let unknown = row(&fake, true, "status-algorithm");
        assert_eq!(unknown["reading"], "neither");
        fake.device(0).status.contexts = 1;
        let (out, text) = asked(&fake, true, false);
        assert!(out.is_empty() && text.contains("others use it"), "{text}");
    }

    #[test]
    fn devices_of_other_drivers_are_not_asked() {
        let fake = idle();
        let name = fake.device(0).facts.name;
        fake.device(0).facts.driver = name;
        let (_, text) = asked(&fake, false, false);
        assert!(text.contains("no questions for devices of zip"), "{text}");
    }
}
