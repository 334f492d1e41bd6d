#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# prometheus-parse 0.2.5 (a crate), a reader of the text that exporters of metrics write: label
# values with a comma, an equals sign, a brace or a backslash are not what they are, and series of
# different devices become one.
#
# The text format lets a label value hold any characters, of which the backslash, the quote and
# the end of line are written as \\, \" and \n; blanks may stand around names and values.
#
# Expected: the values as prometheus-client's parser (PyPI 0.22.1) and parse-prometheus-text-format
# 1.1.1 (npm) have them; or an error.
# Seen: from a comma on, a value is gone; with an equals sign in it, the label is; with a closing
# brace, the series is; what is escaped stays escaped, and loses a quote at its end; blanks go into
# name and value, with the quote. Scrape::parse() is Ok each time. So two sensors, "HBM, upper" and
# "HBM, lower", are two values of one series "HBM", and "{core}" is not there.
#
# So labels for readers of all kinds have no punctuation but the colon, the dot and the dash; and a
# program or test that reads metrics of devices by this crate looks for the labels that it expects.
#
# Needs cargo, python3 with pip, Node.js with npm; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --no-deps --target python prometheus-client==0.22.1 >log 2>&1 ||
	{ cat log; exit 2; }
npm install --silent --no-audit --no-fund --prefix . parse-prometheus-text-format@1.1.1 \
	>log 2>&1 || { cat log; exit 2; }
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
prometheus-parse = "=0.2.5"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use prometheus_parse::{Scrape, Value};

fn main() {
    let page = std::fs::read_to_string("page").unwrap();
    let scrape = Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).unwrap();
    for sample in scrape.samples {
        let Value::Gauge(value) = sample.value else { panic!() };
        let mut labels: Vec<_> = sample.labels.iter().collect();
        labels.sort();
        println!("{value} {labels:?}");
    }
}
RUST
cat >page <<'TEXT'
# TYPE heat gauge
heat{sensor="0000:01:00.0"} 1
heat{sensor="HBM, upper"} 2
heat{sensor="HBM, lower"} 3
heat{device="accel0",sensor="a=b"} 4
heat{sensor="{core}"} 5
heat{sensor="a \"die\""} 6
heat{ sensor="core" } 7
TEXT
cat >read.py <<'PY'
from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(open("page").read()):
    for sample in family.samples:
        print(f"{sample.value:.0f}", sorted(sample.labels.items()))
PY
cat >read.js <<'JS'
const parse = require("parse-prometheus-text-format"), fs = require("fs");
// It has no blanks there, and says so.
const page = fs.readFileSync("page", "utf8").replace("{ ", "{").replace(" }", "}");
for (const each of parse(page)[0].metrics)
  console.log(each.value, JSON.stringify(Object.entries(each.labels).sort()));
JS
echo "prometheus-client:"
PYTHONPATH=python python3 read.py | tee python.out
echo "parse-prometheus-text-format:"
node read.js | tee node.out
echo "prometheus-parse:"
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
1 [("sensor", "0000:01:00.0")]
2 [("sensor", "HBM")]
3 [("sensor", "HBM")]
4 [("device", "accel0")]
6 [("sensor", "a \\\"die\\")]
7 [(" sensor", "core\" ")]
TEXT
cmp seen wanted || { cat log; exit 1; }
[ "$(wc -l <python.out)" = 7 ]
[ "$(wc -l <node.out)" = 7 ]
grep -q HBM,\ lower python.out
grep -q HBM,\ lower node.out
echo "as described"
