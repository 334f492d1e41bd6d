// SPDX-License-Identifier: GPL-2.0

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use super::*;
use crate::fake::{Fake, FakeDevice, context, not_checked};

/// Names, labels and values of all series.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let split = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_string(), value.parse().unwrap())
    };
    let all: Vec<(String, f64)> = lines.map(split).collect();
    let count = all.len();
    let map = BTreeMap::from_iter(all);
    assert_eq!(map.len(), count, "a series twice\n{text}");
    map
}

fn scrape(exporter: &mut Exporter) -> BTreeMap<String, f64> {
    series(&exporter.page(Format::Prometheus).unwrap())
}

#[test]
fn each_quantity_is_a_series_in_base_units() {
    let fake = Fake::with(1);
    let seen = scrape(&mut Exporter::new(&fake));
    for (series, value) in [
        ("accel_device_up{device=\"accel0\"}", 1.0),
        (
            "accel_device_status{device=\"accel0\",status=\"operational\"}",
            1.0,
        ),
        (
            "accel_device_status{device=\"accel0\",status=\"isolated\"}",
            0.0,
        ),
        (
            "accel_device_function{device=\"accel0\",function=\"gzip\"}",
            1.0,
        ),
        (
            "accel_device_ability{device=\"accel0\",ability=\"reset\"}",
            1.0,
        ),
        ("accel_queues{device=\"accel0\"}", 3.0),
        ("accel_queues_max{device=\"accel0\"}", 64.0),
        ("accel_queue_creations_total{device=\"accel0\"}", 4.0),
        ("accel_job_limit_seconds{device=\"accel0\"}", 5.0),
        ("accel_jobs_total{device=\"accel0\"}", 100.0),
        ("accel_busy_seconds_total{device=\"accel0\"}", 2.0),
        ("accel_hardware_errors_total{device=\"accel0\"}", 6.0),
        ("accel_faults_total{device=\"accel0\"}", 1.0),
        ("accel_isolation_threshold{device=\"accel0\"}", 10.0),
        ("accel_memory_used_bytes{device=\"accel0\"}", 16_777_216.0),
        (
            "accel_sensor_temperature_celsius{device=\"accel0\",sensor=\"core\",index=\"0\"}",
            45.5,
        ),
        (
            "accel_sensor_timestamp_seconds{device=\"accel0\",sensor=\"core\",index=\"0\"}",
            1_767_225_600.0,
        ),
        ("accel_user_jobs_total{device=\"accel0\",uid=\"0\"}", 100.0),
        (
            "accel_user_job_bytes_total{device=\"accel0\",uid=\"0\"}",
            1_048_576.0,
        ),
        (
            "accel_user_mapped_bytes{device=\"accel0\",uid=\"0\"}",
            3_145_728.0,
        ),
    ] {
        assert_eq!(seen.get(series), Some(&value), "{series}\n{seen:#?}");
    }
    let info = seen
        .keys()
        .find(|name| name.starts_with("accel_device_info{"))
        .unwrap();
    assert!(
        info.contains("driver=\"accel_hisi_zip\"") && info.contains("address=\"0000:01:00.0\"")
    );
}

#[test]
fn what_is_not_counted_or_told_has_no_series() {
    let fake = Fake::with(2);
    fake.device(0).facts.flags = 0;
    fake.device(0).queries.truncate(4);
    fake.device(1).silent = true;
    let seen = scrape(&mut Exporter::new(&fake));
    for absent in [
        "accel_jobs_total",
        "accel_busy",
        "accel_sensor",
        "accel_memory",
        "accel_user",
    ] {
        assert!(
            !seen.keys().any(|name| name.starts_with(absent)),
            "{absent}"
        );
    }
    assert_eq!(seen["accel_device_up{device=\"accel1\"}"], 0.0);
    assert!(!seen.contains_key("accel_queues{device=\"accel1\"}"));
}

/// A machine of which devices come and go, each with its counters at the beginning.
fn change(fake: &Fake, round: u64) {
    fake.sleep(Duration::from_secs(1));
    fake.set_count(u32::try_from(round % 4).unwrap());
    if round % 4 > 0 {
        let id = 1000 + round;
        fake.device(0).contexts = vec![context(id, 700), context(id + 1, 701)];
        fake.device(0).silent = round % 7 == 0;
    }
}

#[test]
fn a_thousand_scrapes_grow_nothing_and_no_total_goes_back() {
    let fake = Fake::with(3);
    let mut exporter = Exporter::new(&fake);
    let mut totals = BTreeMap::new();
    let mut sizes = BTreeSet::new();
    for round in 0..1000 {
        change(&fake, round);
        let seen = scrape(&mut exporter);
        for (name, value) in seen
            .into_iter()
            .filter(|(name, _)| name.contains("_total{"))
        {
            let before = totals.insert(name.clone(), value).unwrap_or(0.0);
            assert!(
                value >= before,
                "{name}: {before}, then {value} in round {round}"
            );
        }
        if round >= 100 {
            sizes.insert(exporter.ledger.len());
        }
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(totals["accel_jobs_total{device=\"accel0\"}"] > 100_000.0);
}

fn get(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn pages_are_served() {
    let listener = listen("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let fake = Fake::with(1);
        Exporter::new(&fake).fulfil(serve(vec![listener]).unwrap());
    });
    for (request, parts) in [
        (
            "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n",
            &[
                "HTTP/1.1 200 OK",
                "application/openmetrics-text",
                "# UNIT",
                "# EOF\n",
            ][..],
        ),
        (
            "GET /metrics HTTP/1.0\r\n\r\n",
            &["200 OK", "version=0.0.4", "accel_jobs_total"],
        ),
        (
            "GET / HTTP/1.1\r\n\r\n",
            &["200 OK", "text/html", "/metrics"],
        ),
        ("GET /etc HTTP/1.1\r\n\r\n", &["404 Not Found"]),
        (
            "POST /metrics HTTP/1.1\r\n\r\n",
            &["405 Method Not Allowed"],
        ),
        ("nonsense\r\n\r\n", &["400 Bad Request"]),
    ] {
        let answer = get(address, request);
        for part in parts {
            assert!(answer.contains(part), "{request}: {part}\n{answer}");
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{head}"
        );
    }
    let head = get(address, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        head.contains("200 OK") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn a_file_has_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accel.prom");
    let target = Target::Textfile {
        path: path.clone(),
        interval: None,
    };
    run(&Fake::with(1), &target, &mut Vec::new()).unwrap();
    assert!(series(&std::fs::read_to_string(&path).unwrap()).len() > 50);
}

#[test]
fn a_place_that_is_none_is_a_mistake() {
    let run = |target| run(&Fake::with(1), &target, &mut Vec::new());
    for target in [Target::Listen("here".into()), Target::Activated] {
        assert!(matches!(run(target), Err(Failure::Misused(_))));
    }
}

/// Number of each quantity, by a change of the device that gives it that.
fn changes() -> Vec<fn(&mut FakeDevice, u32)> {
    vec![
        |device, n| device.facts.queues_max = n,
        |device, n| device.facts.depth_max = n,
        |device, n| device.facts.request_max = n.into(),
        |device, n| device.facts.contexts_max = n,
        |device, n| device.facts.priorities = n,
        |device, n| device.facts.job_limit_ms = n * 1000,
        |device, n| device.status.generation = n,
        |device, n| device.status.contexts = n,
        |device, n| device.status.queues = n,
        |device, n| device.status.queues_created = n.into(),
        |device, n| device.status.completions = n.into(),
        |device, n| device.status.errors = n.into(),
        |device, n| device.status.jobs = n.into(),
        |device, n| device.status.busy_ns = u64::from(n) * 1_000_000_000,
        |device, n| device.contexts[0].queues = n,
        |device, n| device.contexts[0].completions = n.into(),
        |device, n| device.contexts[0].jobs = n.into(),
        |device, n| device.contexts[0].bytes = n.into(),
        |device, n| device.contexts[0].busy_ns = u64::from(n) * 1_000_000_000,
        |device, n| device.contexts[0].device_memory = n.into(),
        |device, n| device.contexts[0].mapped = n.into(),
        |device, n| device.sensors[0].value = i64::from(n) * 1000,
        |device, n| device.errors.faults = n.into(),
        |device, n| device.errors.timeouts = n.into(),
        |device, n| device.errors.resets = n.into(),
        |device, n| device.errors.resets_failed = n.into(),
        |device, n| device.errors.threshold = n,
        |device, n| device.errors.recent = n,
        |device, n| device.memory.size = n.into(),
        |device, n| device.memory.used = n.into(),
        |device, n| device.memory.buffers = n.into(),
    ]
}

#[test]
fn each_quantity_has_one_series() {
    for (number, change) in (777_001..).zip(changes()) {
        let fake = Fake::with(1);
        change(&mut fake.device(0), number);
        let seen = scrape(&mut Exporter::new(&fake));
        let same = seen
            .iter()
            .filter(|(_, value)| **value == f64::from(number));
        let names: Vec<_> = same.map(|(name, _)| name).collect();
        assert_eq!(names.len(), 1, "{number}: {names:?}");
    }
}

/// What a program says of its input, and whether it is content; none where it is not installed.
fn judged(program: &mut Command, input: &str) -> Option<(String, bool)> {
    let piped = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match piped.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    // One that does not read to the end has something to say.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((
        String::from_utf8_lossy(&said).into(),
        output.status.success(),
    ))
}

/// A page of devices that differ, in the two forms.
fn pages() -> [String; 2] {
    let fake = Fake::full();
    fake.device(0).facts.name[..4].copy_from_slice(b"a\"\\\n");
    [Format::Prometheus, Format::OpenMetrics]
        .map(|format| Exporter::new(&fake).page(format).unwrap())
}

/// Of Debian's package `prometheus`; a path can be given by the variable `PROMTOOL`.
#[test]
fn promtool_has_nothing_to_say() {
    let promtool = std::env::var_os("PROMTOOL").unwrap_or("promtool".into());
    let [page, _] = pages();
    match judged(Command::new(promtool).args(["check", "metrics"]), &page) {
        Some(said) => assert_eq!(said, (String::new(), true)),
        None => not_checked("promtool"),
    }
}

const READ_BY_PYTHON: &str = "
import sys
try:
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as openmetrics
except ImportError:
    sys.exit('missing')
reader = openmetrics if sys.argv[1] == 'OpenMetrics' else parser
families = list(reader.text_string_to_metric_families(sys.stdin.read()))
print(sum(len(family.samples) for family in families), end='')
";

/// By the package `prometheus_client`, where there is one.
#[test]
fn another_parser_reads_the_same_series() {
    for (page, form) in pages().iter().zip(["Prometheus", "OpenMetrics"]) {
        let mut python = Command::new("python3");
        let judged = judged(python.args(["-c", READ_BY_PYTHON, form]), page);
        let Some((said, _)) = judged.filter(|(said, _)| said.trim() != "missing") else {
            not_checked("python3, or its prometheus_client,");
            continue;
        };
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(said, lines.count().to_string(), "{form}");
    }
}

#[test]
fn the_dashboard_shows_what_there_is() {
    let dashboard = include_str!("../../../grafana/accel.json");
    let _: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let fake = Fake::with(1);
    let more = |kind, value| accel::uapi::InfoSensor {
        kind,
        value,
        ..Default::default()
    };
    fake.device(0)
        .sensors
        .push(more(accel::uapi::SENSOR_POWER, 12_000_000));
    let seen = scrape(&mut Exporter::new(&fake));
    let is_there = |name: &str| {
        seen.keys()
            .any(|series| series.starts_with(&format!("{name}{{")))
    };
    let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<_> = words.filter(|word| word.starts_with("accel_")).collect();
    assert!(named.len() > 15, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
