// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints of the accelerator subsystem, which Rust code in the kernel crate hits.
 */

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/accel.h>
