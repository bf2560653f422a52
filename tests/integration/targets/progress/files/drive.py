# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Ansible in several ways at once, on work that takes some seconds, and prints as JSON what each said.

    PYTHON drive.py FOLDER VARIABLES SSH_VARIABLES

FOLDER has the playbooks and the folder image/. VARIABLES (JSON) are for all runs, SSH_VARIABLES for those over SSH. The
images come from a server of this process, or from a transfer, that is slow on purpose.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, EXTRA, SSH = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
# With this Python, which has what the control node needs.
ANSIBLE = (sys.executable, "-m", "ansible")
PIECE = 64 * 1024
PIECES_A_SECOND = 12
LONGEST = 120


class Slow(BaseHTTPRequestHandler):
    """Serves the image, its disk at a pace that takes about six seconds."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request."""
        path = FOLDER / "image" / os.path.basename(self.path)
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), PIECE):
            self.wfile.write(content[start : start + PIECE])
            time.sleep(1 / PIECES_A_SECOND)

    def log_message(self, *_arguments) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """A server that does not complain of clients who have seen enough."""

    daemon_threads = True

    def handle_error(self, _request, _address) -> None:
        """They looked at the head only."""


def lines_of(text: str) -> list:
    """Return the lines about long work."""
    return [line for line in text.splitlines() if line.startswith("[vi-progress-")]


def piped(command: list, environment: dict) -> dict:
    """Run a command without a terminal; its stdout and stderr apart."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False)
    return {
        "code": done.returncode,
        "out": done.stdout,
        "lines": lines_of(done.stderr),
        "stray": lines_of(done.stdout),
        "escapes": (done.stdout + done.stderr).count("\x1b"),
    }


def on_terminal(command: list, environment: dict) -> dict:
    """Run a command on a terminal of its own; all that it showed is one text."""
    ours, its = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True) as process:
        os.close(its)
        seen = b""
        try:
            while piece := os.read(ours, PIECE):
                seen += piece
        except OSError:
            # So ends a terminal whose last user has gone.
            pass
        code = process.wait(LONGEST)
    os.close(ours)
    return {"code": code, "out": seen.decode(), "lines": lines_of(seen.decode()), "stray": [], "escapes": 0}


def playbook(name: str, hosts: str, more: dict) -> list:
    variables = json.dumps({**EXTRA, **more})
    return [*ANSIBLE, "playbook", f"--inventory={hosts}", f"--extra-vars={variables}", str(FOLDER / name)]


def one_line(host: str, more: dict) -> list:
    """Return a command whose stdout is for programs."""
    variables = {**EXTRA, **more}
    image = {"image": f"{EXTRA['progress_server']}/image.xml", "checksum": {"root.raw": f"sha256:{EXTRA['progress_sha256']}"}}
    place = {"name": host, "virt_type": "qemu", "pool": "none", "folder": str(FOLDER / host)}
    arguments = json.dumps({**image, **place})
    return [
        *(*ANSIBLE, "adhoc", host, f"--inventory={host},", "--one-line", "--module-name=virt.image.storage", f"--args={arguments}"),
        f"--extra-vars={json.dumps(variables)}",
    ]


LOCAL = {"ansible_connection": "local"}
PIPING = {**LOCAL, "ansible_pipelining": True}


def ways() -> dict:
    """Return each run: how, its command, and what is in its environment."""
    return {
        "plain": (piped, playbook("storage.yml", "vi-progress-a,vi-progress-b,vi-progress-quiet,", LOCAL), {}),
        "terminal": (on_terminal, playbook("storage.yml", "vi-progress-c,", PIPING), {"TERM": "xterm"}),
        "one_line": (piped, one_line("vi-progress-d", {**LOCAL, "virt_image_progress": 1}), {}),
        "quiet": (piped, playbook("storage.yml", "vi-progress-e,", LOCAL), {"ANSIBLE_VERBOSITY": "-1"}),
        "fetched": (piped, playbook("storage.yml", "vi-progress-f,", SSH), {}),
        "sent": (piped, playbook("guests.yml", "vi-progress-g,", SSH), {}),
    }


def later_ways() -> dict:
    """Return the runs that come after those: more at once would wait for the processors, and their lines would say that."""
    slow = {"ansible_python_interpreter": str(FOLDER / "slow" / "python")}
    return {
        "again": ways()["plain"],
        "read": (piped, playbook("read.yml", "vi-progress-h,vi-progress-i,", {**LOCAL, **slow}), {}),
        "planned": (piped, [*playbook("read.yml", "vi-progress-j,vi-progress-k,", {**PIPING, **slow}), "--check"], {}),
    }


def run(way: tuple) -> dict:
    how, command, more = way
    began = time.monotonic()
    # ansible-test puts a stand-in of ansible-core there, which has no commands.
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**how(command, {**usual, **more}), "seconds": time.monotonic() - began}


def main() -> None:
    server = Server(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    disk = (FOLDER / "image" / "root.raw").read_bytes()
    EXTRA["progress_server"] = f"http://127.0.0.1:{server.server_port}"
    EXTRA["progress_sha256"] = hashlib.sha256(disk).hexdigest()
    for name in (*"abcdefghijk", "quiet"):
        (FOLDER / f"vi-progress-{name}").mkdir()
    with ThreadPoolExecutor() as pool:
        told = dict(zip(ways(), pool.map(run, ways().values())))
        told.update(zip(later_ways(), pool.map(run, later_ways().values())))
    bases = FOLDER.glob(f"vi-progress-*/sha256-{EXTRA['progress_sha256']}.raw")
    told["bases"] = sum(base.read_bytes() == disk for base in bases)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
