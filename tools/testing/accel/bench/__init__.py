# SPDX-License-Identifier: GPL-2.0
"""The test bench of accel: everything that the Makefile's targets do."""
