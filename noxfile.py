# SPDX-License-Identifier: GPL-3.0-or-later
"""nox, for those whose fingers know it: a session for each part of script/test, which sets up all that it needs.

    nox --list
    nox -s unit -- -k match

Without a session, nox runs the quick ones, which need neither root nor libvirt.
"""

# /// script
# dependencies = ["nox>=2025.2.9"]
# ///

from __future__ import annotations

import subprocess

import nox

QUICK = ("unit", "lint")
PARTS = subprocess.run(["script/test", "--list"], check=True, capture_output=True, text=True).stdout.splitlines()


def add_session(name: str, does: str) -> None:
    """Add a session that runs one part."""

    def run(session: nox.Session) -> None:
        session.run("script/test", name, "--", *session.posargs, external=True)

    run.__doc__ = does
    nox.session(run, name=name, venv_backend="none")


for part in PARTS:
    add_session(*part.split(maxsplit=1))

nox.options.sessions = QUICK

if __name__ == "__main__":
    nox.main()
