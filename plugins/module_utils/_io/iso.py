# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small ISO 9660 images, made with what the host has. Their files may hold secrets: root's eyes only, all the way."""

from __future__ import annotations

import io
import os
import shutil
import subprocess

from .._core.errors import ImageError
from .._core.names import plain
from .workspace import cache, workspace

# The first that is there is taken; all of them know mkisofs' options.
TOOLS = (("xorriso", "-no_rc", "-as", "mkisofs"), ("genisoimage",), ("mkisofs",))
# Joliet and Rock Ridge both, as cloud-init's own example has it; in the guest only root reads the files.
OPTIONS = ("-quiet", "-J", "-R", "-uid", "0", "-gid", "0", "-dir-mode", "0555", "-file-mode", "0400")
IMAGE, FOLDER = "image.iso", "files"
PRIVATE_FILE, PRIVATE_FOLDER, UMASK = 0o600, 0o700, 0o077
SECONDS = 60
WORDS = 500
# 2000-01-01, for every date that a tool lets us choose: the same files should be the same image.
EPOCH = 946684800
ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": str(EPOCH),
    # No one's settings.
    "GENISOIMAGERC": os.devnull,
    "MKISOFSRC": os.devnull,
}
MISSING = (
    "cannot make an ISO image: this host has none of xorriso, genisoimage, mkisofs and Python's pycdlib; install "
    "xorriso (Debian, Ubuntu, Fedora, RHEL, SUSE), or genisoimage (Debian, Ubuntu)"
)


def make_iso(path: str, files: dict[str, bytes], label: str = "cidata") -> None:
    """Write an ISO image that holds these files to `path`, which nobody else can read, not for a moment.

    It is made in a private folder and comes here whole: no tool has a say in modes, or is told the path. Raises
    ImageError where it cannot be made; OSError where `path` cannot be written, for files.arriving to explain.
    """
    content = _image(files, label)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
        # One that was there may be open to others.
        os.fchmod(file.fileno(), PRIVATE_FILE)
        file.truncate(0)
        file.write(content)


def _image(files: dict[str, bytes], label: str) -> bytes:
    for name, *arguments in TOOLS:
        program = shutil.which(name)
        if program:
            return _by_tool([program, *arguments, *OPTIONS, "-V", label, "-o", IMAGE, FOLDER], files)
    return _by_pycdlib(files, label)


def _by_tool(command: list, files: dict[str, bytes]) -> bytes:
    tool = os.path.basename(command[0])
    try:
        with workspace() as folder:
            _fill(os.path.join(folder, FOLDER), files)
            _run(command, folder, tool)
            with open(os.path.join(folder, IMAGE), "rb") as file:
                return file.read()
    except OSError as error:
        place = error.filename or cache()
        raise ImageError(f"cannot make an ISO image with {tool}: {error.strerror}", place) from None


def _fill(folder: str, files: dict[str, bytes]) -> None:
    os.mkdir(folder, PRIVATE_FOLDER)
    for name, content in files.items():
        path = os.path.join(folder, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
            file.write(content)
        os.utime(path, (EPOCH, EPOCH))
    os.utime(folder, (EPOCH, EPOCH))


def _run(command: list, folder: str, tool: str) -> None:
    try:
        # AnsibleModule.run_command has no limit of time.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command,
            cwd=folder,
            env={**os.environ, **ENVIRONMENT},
            umask=UMASK,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"cannot make an ISO image: {tool} took more than {SECONDS} s") from None
    if done.returncode:
        words = plain(" ".join(done.stdout.decode("utf-8", "replace").split()))
        # The reason comes last.
        raise ImageError(f"cannot make an ISO image: {tool} failed ({done.returncode}): {words[-WORDS:] or 'no word'}")


def _by_pycdlib(files: dict[str, bytes], label: str) -> bytes:
    """Return an image that the Python module made; its dates are those of now."""
    try:
        import pycdlib
    except ImportError:
        raise ImageError(MISSING) from None
    image, result = pycdlib.PyCdlib(), io.BytesIO()
    try:
        image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
        for index, (name, content) in enumerate(sorted(files.items())):
            # Without the extensions a name has no dash and no small letter; nobody looks at these.
            short = f"/FILE{index}.;1"
            image.add_fp(
                io.BytesIO(content),
                len(content),
                short,
                rr_name=name,
                joliet_path=f"/{name}",
                file_mode=0o100400,
            )
        image.write_fp(result)
        image.close()
    except pycdlib.pycdlibexception.PyCdlibException as error:
        raise ImageError(f"cannot make an ISO image: pycdlib: {plain(str(error))[:WORDS]}") from None
    return result.getvalue()
