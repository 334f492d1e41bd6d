// SPDX-License-Identifier: GPL-2.0

//! The kernel's crypto API.
//!
//! C headers: [`include/crypto/`](srctree/include/crypto/)

pub mod acomp;
