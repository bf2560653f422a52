#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Python with these arguments, and notes in the file BENCHMARK_PEAK how much memory in KiB that took at most."""

import os
import resource
import subprocess
import sys

code = subprocess.call(["/usr/bin/python3", *sys.argv[1:]])
with open(os.environ["BENCHMARK_PEAK"], "a", encoding="ascii") as file:
    file.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\n")
sys.exit(code)
