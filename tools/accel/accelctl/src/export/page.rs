// SPDX-License-Identifier: GPL-2.0
//! A page of metrics, in the two forms that scrapers read.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// A metric: all its series have the same meaning.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Without the prefix of all, the unit, and what the kind adds.
    pub name: &'static str,
    help: &'static str,
    unit: &'static str,
    kind: MetricType,
}

impl Metric {
    /// Something that goes up and down.
    pub const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self::new(name, unit, help, MetricType::Gauge)
    }

    /// Something that only goes up.
    pub const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self::new(name, unit, help, MetricType::Counter)
    }

    /// Labels that say what something is.
    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Self::new(name, "", help, MetricType::Info)
    }

    const fn new(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        kind: MetricType,
    ) -> Self {
        Self {
            name,
            help,
            unit,
            kind,
        }
    }
}

/// Names and values that tell the series of a metric apart.
pub type Labels = Vec<(&'static str, String)>;

/// What a series stands at.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// Exactly so many.
    Count(u64),
    /// A measure.
    Measure(f64),
}

/// Series by metric, in the order in which they came.
#[derive(Debug, Default)]
pub struct Page {
    families: Vec<(Metric, Vec<(Labels, Value)>)>,
}

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// What Prometheus had before it, and the text files of its node exporter still have.
    Prometheus,
}

impl Format {
    /// The type of its documents.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Page {
    /// Adds a series to a metric.
    pub fn add(&mut self, metric: Metric, labels: Labels, value: Value) {
        let same = |(other, _): &&mut (Metric, _)| other.name == metric.name;
        match self.families.iter_mut().find(same) {
            Some((_, series)) => series.push((labels, value)),
            None => self.families.push((metric, vec![(labels, value)])),
        }
    }

    /// The text of the page.
    pub fn render(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("accel");
        registry.register_collector(Box::new(self));
        let mut page = String::new();
        match format {
            Format::OpenMetrics => text::encode(&mut page, &registry)?,
            Format::Prometheus => prometheus_text::encode(&mut page, &registry)?,
        }
        Ok(page)
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (metric, series) in &self.families {
            let unit = Unit::Other(metric.unit.into());
            let unit = (!metric.unit.is_empty()).then_some(&unit);
            let mut encoder =
                encoder.encode_descriptor(metric.name, metric.help, unit, metric.kind)?;
            for (labels, value) in series {
                if metric.kind == MetricType::Info {
                    encoder.encode_info(labels)?;
                    continue;
                }
                let mut encoder = encoder.encode_family(labels)?;
                match (metric.kind, *value) {
                    (MetricType::Counter, Value::Count(count)) => {
                        encoder.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
                    }
                    (MetricType::Counter, Value::Measure(measure)) => {
                        encoder.encode_counter::<NoLabelSet, _, f64>(&measure, None)?;
                    }
                    (_, Value::Count(count)) => encoder.encode_gauge(&count)?,
                    (_, Value::Measure(measure)) => encoder.encode_gauge(&measure)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut page = Page::default();
        let device = |name: &str| vec![("device", name.to_string())];
        let jobs = Metric::counter("jobs", "", "Jobs done.");
        let heat = Metric::gauge("heat", "celsius", "How hot it is.");
        page.add(jobs, device("accel0"), Value::Count(u64::MAX));
        page.add(heat, device("a\"b\\c\nd"), Value::Measure(-0.5));
        page.add(jobs, device("accel1"), Value::Count(0));
        let what = Metric::info("device", "What it is.");
        page.add(what, device("accel0"), Value::Count(1));
        page
    }

    #[test]
    fn openmetrics_has_units_and_an_end() {
        let text = page().render(Format::OpenMetrics).unwrap();
        let expected = "\
# HELP accel_jobs Jobs done.
# TYPE accel_jobs counter
accel_jobs_total{device=\"accel0\"} 18446744073709551615
accel_jobs_total{device=\"accel1\"} 0
# HELP accel_heat_celsius How hot it is.
# TYPE accel_heat_celsius gauge
# UNIT accel_heat_celsius celsius
accel_heat_celsius{device=\"a\\\"b\\\\c\\nd\"} -0.5
# HELP accel_device What it is.
# TYPE accel_device info
accel_device_info{device=\"accel0\"} 1
# EOF
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_older_form_names_counters_whole_and_knows_no_info() {
        let text = page().render(Format::Prometheus).unwrap();
        assert!(text.contains("# TYPE accel_jobs_total counter\naccel_jobs_total{"));
        assert!(text.contains("# TYPE accel_device_info gauge\naccel_device_info{"));
        assert!(
            !text.contains("# UNIT") && !text.contains("# EOF"),
            "{text}"
        );
    }
}
