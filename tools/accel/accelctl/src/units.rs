// SPDX-License-Identifier: GPL-2.0
//! Numbers as people read them.

use accel::{SensorInfo, SensorKind};

/// What stands for a value that is not known.
pub const UNKNOWN: &str = "-";

/// `value` as `format` writes it, or the sign for unknown.
pub fn or_unknown<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.into(), format)
}

/// `0`, `7.3`, `999`, `1.5k`, `20M`: three digits at most before the letter.
pub fn short(value: f64) -> String {
    scaled(value, 1000.0, ["", "k", "M", "G", "T"])
}

/// As [`short`], for bytes: letters are powers of 1024, as those of accel-gzip are.
pub fn size(bytes: f64) -> String {
    scaled(bytes, 1024.0, ["", "K", "M", "G", "T"])
}

fn scaled(value: f64, base: f64, letters: [&str; 5]) -> String {
    let mut scaled = value;
    let mut letter = 0;
    // 999.5 would be written as 1000.
    while scaled >= 999.5 && letter + 1 < letters.len() {
        scaled /= base;
        letter += 1;
    }
    // 9.95 would be written as 10.0, and 1.0 as 1.
    let digits = usize::from(scaled < 9.95 && (scaled * 10.0).round() % 10.0 != 0.0);
    format!("{scaled:.digits$}{}", letters[letter])
}

/// Percent with one digit behind the point.
pub fn percent(value: f64) -> String {
    format!("{value:.1}")
}

/// A measured value in degrees Celsius, watts or hertz.
pub fn base_unit(sensor: &SensorInfo) -> f64 {
    let value = sensor.value as f64;
    match sensor.kind {
        SensorKind::Temperature => value / 1e3,
        SensorKind::Power => value / 1e6,
        _ => value,
    }
}

/// A measured value with its unit.
pub fn measured(sensor: &SensorInfo) -> String {
    let value = base_unit(sensor);
    match sensor.kind {
        SensorKind::Temperature => format!("{value:.1} °C"),
        SensorKind::Power => format!("{value:.2} W"),
        SensorKind::Frequency => format!("{:.0} MHz", value / 1e6),
        _ => sensor.value.to_string(),
    }
}

/// `text` without what could command a terminal.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// The values with commas between them.
pub fn words<T: ToString>(values: &[T]) -> String {
    if values.is_empty() {
        return "none".into();
    }
    values
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.26, "0.3"),
            (7.0, "7"),
            (9.96, "10"),
            (12.4, "12"),
            (999.4, "999"),
            (999.6, "1k"),
            (1_500.0, "1.5k"),
            (20_000_000.0, "20M"),
            (3e9, "3G"),
            (5e15, "5000T"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn memory_is_counted_by_1024() {
        for (bytes, text) in [
            (0.0, "0"),
            (1023.0, "1K"),
            (1536.0, "1.5K"),
            (67_108_864.0, "64M"),
            (1.5 * 1_073_741_824.0, "1.5G"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn sensors_have_units() {
        let sensor = |kind, value| SensorInfo {
            kind,
            label: "core".into(),
            value,
            timestamp_ns: 0,
        };
        for (kind, value, text) in [
            (SensorKind::Temperature, -5_500, "-5.5 °C"),
            (SensorKind::Power, 12_345_678, "12.35 W"),
            (SensorKind::Frequency, 1_200_000_000, "1200 MHz"),
            (SensorKind::Unknown(9), 3, "3"),
        ] {
            assert_eq!(measured(&sensor(kind, value)), text);
        }
    }

    #[test]
    fn names_of_processes_cannot_command_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\nc"), "a?[2Jb?c");
    }
}
