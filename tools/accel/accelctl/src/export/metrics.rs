// SPDX-License-Identifier: GPL-2.0
//! What devices tell, as metrics: names by Prometheus' rules, in base units, one series for each
//! quantity of `ACCEL_INFO_*`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use accel::{
    ContextInfo, DeviceInfo, ErrorsInfo, MemoryInfo, ModeReason, SensorInfo, SensorKind, Status,
    StatusInfo,
};

use super::ledger::Ledger;
use super::page::{Labels, Metric, Page, Value};
use crate::report::{Answer, Report, Told};
use crate::system::Moment;
use crate::units::base_unit;

/// The page of what devices told now. Totals go on in `ledger`.
pub fn page(reports: &[Report], ledger: &mut Ledger, now: Moment) -> Page {
    let mut page = Page::default();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_string())];
    page.add(
        Metric::gauge("exporter_build_info", "", "The program that tells this."),
        version,
        Value::Count(1),
    );
    ledger.keep(&reports.iter().map(|report| report.device.clone()).collect());
    for report in reports {
        let mut entry = Entry {
            page: &mut page,
            ledger,
            device: &report.device,
            now,
        };
        let up = Metric::gauge("device_up", "", "Whether the device could be asked.");
        match &report.answer {
            Answer::Told(told) => {
                entry.gauge(up, 1_u32);
                entry.told(told);
            }
            Answer::Silent { .. } => entry.gauge(up, 0_u32),
        }
    }
    page
}

/// Where the series of a device go.
struct Entry<'a> {
    page: &'a mut Page,
    ledger: &'a mut Ledger,
    device: &'a str,
    now: Moment,
}

/// What is counted of a context.
type Count = fn(&ContextInfo) -> u64;

const NS: f64 = 1e9;

impl Entry<'_> {
    fn labels(&self) -> Labels {
        vec![("device", self.device.to_string())]
    }

    fn with(&mut self, metric: Metric, labels: &[(&'static str, &str)], value: f64) {
        let mut all = self.labels();
        all.extend(
            labels
                .iter()
                .map(|(name, value)| (*name, value.to_string())),
        );
        self.page.add(metric, all, Value::Measure(value));
    }

    fn gauge(&mut self, metric: Metric, value: impl Into<u64>) {
        self.page
            .add(metric, self.labels(), Value::Count(value.into()));
    }

    fn counter(&mut self, metric: Metric, counted: u64) {
        let total = self.ledger.device(metric.name, self.device, counted);
        self.page.add(metric, self.labels(), Value::Count(total));
    }

    /// Seconds since 1970 of a moment by the kernel's clock.
    fn unix(&self, monotonic_ns: u64) -> f64 {
        let since = self
            .now
            .at(monotonic_ns)
            .time
            .duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    }

    fn told(&mut self, told: &Told) {
        self.identity(&told.facts);
        self.limits(&told.facts);
        self.abilities(told);
        self.status(&told.status);
        self.usage(&told.facts, &told.status);
        if let Some(errors) = &told.errors {
            self.errors(errors);
        }
        self.sensors(told.sensors.as_deref().unwrap_or_default());
        if let Some(memory) = told.memory.filter(|memory| memory.size > 0) {
            self.memory(&memory);
        }
        let contexts = told.contexts.iter().flatten();
        self.users(
            &told.facts,
            &contexts.map(|usage| &usage.context).collect::<Vec<_>>(),
        );
    }

    fn identity(&mut self, facts: &DeviceInfo) {
        let numa_node = facts
            .numa_node
            .map_or(String::new(), |node| node.to_string());
        let mut labels = self.labels();
        labels.extend([
            ("name", facts.name.clone()),
            ("driver", facts.driver.clone()),
            ("version", facts.version.clone()),
            ("bus", facts.bus.clone()),
            ("address", facts.address.clone()),
            ("numa_node", numa_node),
            ("doorbell", facts.doorbell.word()),
        ]);
        let metric = Metric::info("device", "What the device is.");
        self.page.add(metric, labels, Value::Count(1));
    }

    fn limits(&mut self, facts: &DeviceInfo) {
        for (metric, value) in [
            (
                Metric::gauge("queues_max", "", "Queues that can exist at once."),
                f64::from(facts.queues_max),
            ),
            (
                Metric::gauge("queue_depth_max", "", "Entries of the deepest queue."),
                f64::from(facts.depth_max),
            ),
            (
                Metric::gauge("request_max", "bytes", "Size of a job; 0: no limit."),
                facts.request_max as f64,
            ),
            (
                Metric::gauge("contexts_max", "", "Contexts that can exist; 0: no limit."),
                f64::from(facts.contexts_max),
            ),
            (
                Metric::gauge("priorities", "", "Priorities that queues can have."),
                f64::from(facts.priorities),
            ),
            (
                Metric::gauge("job_limit", "seconds", "Time of a job; 0: no limit."),
                f64::from(facts.job_limit_ms) / 1e3,
            ),
        ] {
            self.with(metric, &[], value);
        }
    }

    fn abilities(&mut self, told: &Told) {
        let facts = &told.facts;
        let metric = Metric::gauge("device_function", "", "What the device computes.");
        for function in &facts.functions {
            self.with(metric, &[("function", &function.word())], 1.0);
        }
        let metric = Metric::gauge("device_address_mode", "", "Whether a mode is offered.");
        for info in &told.address_modes {
            let (mode, reason) = (info.mode.word(), info.reason.word());
            let offered = info.reason == ModeReason::Available;
            let labels = [("mode", &mode[..]), ("reason", &reason)];
            self.with(metric, &labels, f64::from(u8::from(offered)));
        }
        let metric = Metric::gauge("device_ability", "", "What the device and its driver can.");
        for (ability, is_there) in [
            ("reset", facts.can_reset),
            ("auto_recovery", facts.auto_recovery),
            ("counts_jobs", facts.counts_jobs),
            ("counts_bytes", facts.counts_bytes),
            ("counts_busy", facts.counts_busy),
            ("counts_at_least", facts.counts_at_least),
        ] {
            self.with(
                metric,
                &[("ability", ability)],
                f64::from(u8::from(is_there)),
            );
        }
    }

    fn status(&mut self, status: &StatusInfo) {
        let metric = Metric::gauge("device_status", "", "The state of the device: one of them.");
        let known: BTreeSet<_> = Status::KNOWN.iter().map(|status| status.word()).collect();
        let now = status.status.word();
        for word in known
            .iter()
            .chain(Some(&now).filter(|now| !known.contains(*now)))
        {
            self.with(
                metric,
                &[("status", word)],
                f64::from(u8::from(*word == now)),
            );
        }
        let metric = Metric::gauge(
            "device_generation",
            "",
            "Resets since the device was registered, as queues have it.",
        );
        self.gauge(metric, status.generation);
        self.gauge(
            Metric::gauge("contexts", "", "Contexts that exist."),
            status.contexts,
        );
        self.gauge(
            Metric::gauge("queues", "", "Queues that exist."),
            status.queues,
        );
        let created = Metric::counter("queue_creations", "", "Queues created.");
        self.counter(created, status.queues_created);
        let events = Metric::counter("completion_events", "", "Completion events signalled.");
        self.counter(events, status.completions);
        let metric = Metric::counter("hardware_errors", "", "Hardware errors.");
        self.counter(metric, status.errors);
        let metric = Metric::gauge("status_timestamp", "seconds", "When the state was so.");
        self.with(metric, &[], self.unix(status.timestamp_ns));
    }

    /// What is not counted has no series, and not one that stays 0.
    fn usage(&mut self, facts: &DeviceInfo, status: &StatusInfo) {
        if facts.counts_jobs {
            self.counter(Metric::counter("jobs", "", "Jobs done."), status.jobs);
        }
        if facts.counts_busy {
            let metric = Metric::counter(
                "busy",
                "seconds",
                "Time that the device worked, the sum of its queues.",
            );
            let total = self.ledger.device(metric.name, self.device, status.busy_ns);
            self.page
                .add(metric, self.labels(), Value::Measure(total as f64 / NS));
        }
        if let Some(usage_ns) = status.usage_ns {
            let metric = Metric::gauge("usage_timestamp", "seconds", "When use was sampled last.");
            self.with(metric, &[], self.unix(usage_ns));
        }
    }

    fn errors(&mut self, errors: &ErrorsInfo) {
        for (metric, count) in [
            (
                Metric::counter("faults", "", "Accesses that queues were refused."),
                errors.faults,
            ),
            (
                Metric::counter("timeouts", "", "Queues stopped by a job's limit."),
                errors.timeouts,
            ),
            (
                Metric::counter("resets", "", "Resets that ended well."),
                errors.resets,
            ),
            (
                Metric::counter("failed_resets", "", "Resets that failed."),
                errors.resets_failed,
            ),
        ] {
            self.counter(metric, count);
        }
        let metric = Metric::gauge(
            "isolation_threshold",
            "",
            "Hardware errors within an hour that isolate the device; 0: never.",
        );
        self.gauge(metric, errors.threshold);
        let metric = Metric::gauge(
            "recent_hardware_errors",
            "",
            "Hardware errors within this hour, 0 again after a reset.",
        );
        self.gauge(metric, errors.recent);
    }

    fn sensors(&mut self, sensors: &[SensorInfo]) {
        for (index, sensor) in sensors.iter().enumerate() {
            let metric = match sensor.kind {
                SensorKind::Temperature => {
                    Metric::gauge("sensor_temperature", "celsius", "A temperature.")
                }
                SensorKind::Power => Metric::gauge("sensor_power", "watts", "A power."),
                SensorKind::Frequency => Metric::gauge("sensor_frequency", "hertz", "A frequency."),
                _ => continue,
            };
            let index = index.to_string();
            let labels = [("sensor", &sensor.label[..]), ("index", &index)];
            self.with(metric, &labels, base_unit(sensor));
            let metric = Metric::gauge("sensor_timestamp", "seconds", "When it was measured.");
            self.with(metric, &labels, self.unix(sensor.timestamp_ns));
        }
    }

    fn memory(&mut self, memory: &MemoryInfo) {
        let metric = Metric::gauge("memory_size", "bytes", "The device's own memory.");
        self.gauge(metric, memory.size);
        let metric = Metric::gauge("memory_used", "bytes", "Of it, in buffers.");
        self.gauge(metric, memory.used);
        let metric = Metric::gauge("memory_buffers", "", "Buffers in the device's own memory.");
        self.gauge(metric, memory.buffers);
    }

    /// Use by user, as far as the kernel tells it; by process there would be no end of series.
    fn users(&mut self, facts: &DeviceInfo, contexts: &[&ContextInfo]) {
        let now = contexts.iter().map(|context| context.uid);
        for uid in self.ledger.users(self.device, now) {
            let contexts = contexts
                .iter()
                .copied()
                .filter(|context| context.uid == uid);
            self.user(facts, uid, &contexts.collect::<Vec<_>>());
        }
    }

    fn user(&mut self, facts: &DeviceInfo, uid: u32, contexts: &[&ContextInfo]) {
        let label = uid.to_string();
        let sum = |get: Count| contexts.iter().map(|c| get(c) as f64).sum();
        for (metric, value) in [
            (
                Metric::gauge("user_contexts", "", "A user's contexts."),
                contexts.len() as f64,
            ),
            (
                Metric::gauge("user_queues", "", "A user's queues."),
                sum(|c| c.queues.into()),
            ),
            (
                Metric::gauge("user_device_memory", "bytes", "Device memory of a user."),
                sum(|c| c.device_memory),
            ),
            (
                Metric::gauge("user_mapped", "bytes", "Buffers mapped for a user."),
                sum(|c| c.mapped),
            ),
        ] {
            self.with(metric, &[("uid", &label)], value);
        }
        let events = Metric::counter("user_completion_events", "", "Completion events of a user.");
        let jobs = Metric::counter("user_jobs", "", "Jobs done for a user.");
        let bytes = Metric::counter(
            "user_job",
            "bytes",
            "Bytes that a user's jobs read and wrote.",
        );
        let busy = Metric::counter("user_busy", "seconds", "Time worked for a user.");
        let counters: [(bool, Metric, Count); 4] = [
            (true, events, |c| c.completions),
            (facts.counts_jobs, jobs, |c| c.jobs),
            (facts.counts_bytes, bytes, |c| c.bytes),
            (facts.counts_busy, busy, |c| c.busy_ns),
        ];
        for (_, metric, get) in counters.into_iter().filter(|(is_counted, ..)| *is_counted) {
            let counted: BTreeMap<_, _> = contexts.iter().map(|c| (c.id, get(c))).collect();
            let total = self.ledger.user(metric.name, self.device, uid, counted);
            let value = match metric.name == busy.name {
                true => Value::Measure(total as f64 / NS),
                false => Value::Count(total),
            };
            let mut labels = self.labels();
            labels.push(("uid", label.clone()));
            self.page.add(metric, labels, value);
        }
    }
}
