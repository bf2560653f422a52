# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the guides as they are written: writes their files, runs their commands, compares what those print.

    script/test guides [-- NAME...]

NAME is that of a guide: first_guest. Each guide has a folder of its own, with the images that the text speaks of. A guide
that leaves something in libvirt has failed, and what it left is taken away. README.md, beside this file, has the rules.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from . import blocks, console, world
from .blocks import Block

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "docsite" / "rst"
README = ROOT / "README.md"
# The hosts' Python, with libvirt's bindings.
PYTHON = "/usr/bin/python3"
IMAGES = {"small": "v1", "small-2": "v2"}
# Seconds that one command may take.
LIMIT = 180
# What script/lib.sh sets for itself. A reader has the collection in the home folder. What else it sets stays: no settings of
# this machine, and no warning that there is no inventory, which every reader of a page for localhost sees.
HIDDEN = ("PYTHONPATH", "ANSIBLE_HOME", "ANSIBLE_COLLECTIONS_PATH", "LIBVIRT_DEFAULT_URI")


class Mistake(ValueError):
    """A block that does not do what the page says, with its place."""


def make_folder(build: Path, name: str) -> Path:
    """Return a fresh folder for a guide, with the images in it."""
    folder = build / "guides" / name
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.log").unlink(missing_ok=True)
    for image, version in IMAGES.items():
        target = folder / "images" / image
        target.mkdir(parents=True)
        for file in (build / "guest" / version).iterdir():
            # A copy: a guide may well write to its own files.
            shutil.copy(file, target)
    return folder


def make_home(build: Path) -> Path:
    """Return a home folder in which the collection is where ansible-galaxy puts it."""
    home = build / "guides" / "home"
    shutil.rmtree(home, ignore_errors=True)
    (home / ".ansible").mkdir(parents=True)
    (home / ".ansible" / "collections").symlink_to(build / "collections")
    return home


def write_file(block: Block, folder: Path) -> None:
    """Write a block with a caption to the file that it is."""
    target = (folder / block.caption).resolve()
    if not target.is_relative_to(folder):
        raise Mistake(f"{place(block)}: the caption is to be a path in the reader's folder: {block.caption}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(block.text, encoding="utf-8")


def run_command(command: str, folder: Path) -> tuple[int, str]:
    """Return the status and the output of a command, as it comes on a terminal: with what it says of errors."""
    surroundings = {key: value for key, value in os.environ.items() if key not in HIDDEN}
    surroundings |= {
        "HOME": str(folder.parent / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
    with subprocess.Popen(
        ("bash", "-c", command),
        cwd=folder, env=surroundings, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            output, _none = process.communicate(timeout=LIMIT)
        except BaseException as error:
            # Its children too: the session is theirs.
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            output, _none = process.communicate()
            output += f"\n(ended after {LIMIT} s)"
        return process.returncode, output


def run_console(block: Block, folder: Path) -> list[str]:
    """Run the commands of a console block; return what they print that the page does not say, with its place.

    Raises Mistake at the first that fails, or that is to fail and does not: nothing after it would be as the page says.
    """
    commands = console.parse(block.text, block.line)
    told = []
    for number, command in enumerate(commands, 1):
        start = time.monotonic()
        status, output = run_command(command.text, folder)
        with open(f"{folder}.log", "a", encoding="utf-8") as log:
            log.write(f"{block.page.stem}:{command.line}: {time.monotonic() - start:.1f} s: $ {command.text}\n{output}\n")
        # Of a block that is to fail, the last command does.
        to_fail = block.note == "fails" and number == len(commands)
        where = f"{block.page.relative_to(ROOT)}:{command.line}: $ {command.text}"
        if bool(status) != to_fail:
            what = "ended well, but is to fail" if to_fail else f"failed with status {status}"
            raise Mistake(f"{where}\n{what}; it said:\n{indented(output)}")
        if not console.matches(command.output, output):
            told.append(f"{where}\nexpected:\n{indented(chr(10).join(command.output))}\ngot:\n{indented(output)}")
    return told


def place(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip("\n").split("\n"))


def run_guide(page: Path, build: Path) -> Iterator[str]:
    """Run one guide; yield what is not as it says, and raise Mistake where it cannot go on."""
    folder = make_folder(build, page.stem.removeprefix("guide_"))
    for block in blocks.read(page):
        if block.note == "not run":
            continue
        if block.caption:
            write_file(block, folder)
        elif block.language == "console":
            yield from run_console(block, folder)


def run_readme(build: Path) -> Iterator[str]:
    """Run the README's example, as run_guide does, in check mode: what it has would start with KVM."""
    folder = make_folder(build, README.stem)
    names = {"xml": "images/web/image.xml", "yaml": "site.yml"}
    for block in blocks.read(README):
        # The first of each.
        if block.language in names:
            write_file(replace(block, caption=names.pop(block.language)), folder)
    shutil.copy(folder / "images/small/root.qcow2", folder / "images/web")
    (folder / "hosts").write_text(f"[hypervisors]\nlocalhost ansible_connection=local ansible_python_interpreter={PYTHON}\n")
    yield from run_console(
        Block(README, 1, "console", "$ ansible-playbook -i hosts site.yml --check --diff\n...\n+# start domain web2\n...\n"),
        folder,
    )


def try_guide(page: Path, build: Path) -> str | None:
    """Return what is wrong with a guide, or None; libvirt holds afterwards what it held before."""
    before = world.look()
    problems = []
    try:
        problems.extend(run_readme(build) if page == README else run_guide(page, build))
    except (ValueError, OSError) as mistake:
        problems.append(str(mistake))
    except BaseException:
        world.remove(of_guide(page, build, world.look() - before))
        raise
    if left := world.look() - before:
        names = ", ".join(" ".join(item) for item in sorted(left))
        ours = of_guide(page, build, left)
        world.remove(ours)
        problems += [f"not of this guide, and left alone: {' '.join(item)}" for item in sorted(left - ours)]
        # After a mistake, the rest of the guide did not run: no wonder.
        problems += [] if problems else [f"{page.relative_to(ROOT)} leaves in libvirt: {names}"]
    if gone := before - world.look():
        problems.append(f"{page.relative_to(ROOT)} took away: {', '.join(' '.join(item) for item in sorted(gone))}")
    return "\n".join(problems) or None


def of_guide(page: Path, build: Path, found: frozenset[world.Thing]) -> frozenset[world.Thing]:
    """Return what a guide has made: what has a name that its text has; others may use this machine meanwhile."""
    words = set(re.findall(r"[\w.-]+", page.read_text(encoding="utf-8")))
    words |= {f"{world.BASE}{digest}" for digest in base_digests(build)}
    return frozenset(thing for thing in found if world.stem(thing) in words)


def base_digests(build: Path) -> set[str]:
    """Return the SHA-256 of the images' disks, after which their base volumes are called."""
    files = [file for version in IMAGES.values() for file in (build / "guest" / version).iterdir() if file.suffix != ".xml"]
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def choose(names: list[str]) -> list[Path]:
    """Return the pages of the guides that are named, or of all."""
    known = {page.stem.removeprefix("guide_"): page for page in [*sorted(GUIDES.glob("guide_*.rst")), README]}
    if unknown := set(names) - set(known):
        raise SystemExit(f"no guide {', '.join(sorted(unknown))}; there are: {' '.join(known)}")
    return [known[name] for name in names or known]


def main(build: str, *names: str) -> int:
    # As at an interrupt: all that waits to tidy up does so.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    pages = choose(list(names))
    make_home(Path(build))
    failed = 0
    with world.prepared():
        for page in pages:
            start = time.monotonic()
            problem = try_guide(page, Path(build))
            print(f"{page.stem:<24} {'FAILED' if problem else 'passed'} {time.monotonic() - start:6.1f} s", flush=True)
            if problem:
                failed += 1
                print(indented(problem), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
