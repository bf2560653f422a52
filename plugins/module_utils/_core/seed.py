# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds: what a guest's first boot is told by a small ISO image (cloud-init's data source NoCloud).

Checks are those that need no YAML parser, which hosts may not have. Texts may hold secrets: no message shows one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Callable, Optional

from .names import volume_stem

# Stands for a disk's id, where the others are those of the image's disks.
SEED = "<seed>"
SEED_NAME = re.compile(r"-seed-[0-9a-f]{16}\.iso$")

KEYS = ("user_data", "meta_data", "network_config")
# NoCloud has no bound of its own. Clouds allow 16 to 64 KiB; nothing sensible is larger than this.
MAX_BYTES = 1024 * 1024
NOTHING = "#cloud-config\n"
# cloud-init's handlers/__init__.py. Newer versions skip white space before it, older ones do not.
JINJA = "## template: jinja"
HEADERS = ("#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler")
# Of others that read the same seeds: cloudbase-init (Windows) and tiny-cloud (Alpine).
OTHERS = ("#ps1", "rem cmd", "<script>", "<powershell>", "#alpine-config")
# As far as cloud-init looks for MIME-Version (user_data.py).
MIME_LOOK = 4096
MAIL_HEADER = re.compile(r"From |[A-Za-z][A-Za-z0-9-]*:")
SURROGATE = re.compile("[\ud800-\udfff]")
INSTANCE_ID = re.compile(r"""["']?instance-id["']?[ \t]*:""")
# Text that YAML reads as the same text without quotes, and simpler parsers too; but for these words.
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
NO_HOST_NAME = re.compile(r"[^A-Za-z0-9.-]+")
MAX_LABEL = 63
HINTS = {
    "user_data": '"#cloud-config\\n{{ data | to_nice_yaml }}"',
    "meta_data": '"{{ data | to_nice_yaml }}"',
    "network_config": '"{{ data | to_nice_yaml }}"',
}


@dataclass(frozen=True)
class Seed:
    """The texts of a seed as asked for, kept out of its repr; None is cloud-init's or our default."""

    user_data: Optional[str] = field(default=None, repr=False)
    meta_data: Optional[str] = field(default=None, repr=False)
    network_config: Optional[str] = field(default=None, repr=False)


def parse_seed(plain, wrong: Callable[[str], None]) -> Optional[Seed]:
    """Return the seed that a dictionary of options describes, or None for None; `wrong` is told every mistake."""
    if plain is None:
        return None
    if not isinstance(plain, dict):
        wrong(f"must be a dictionary with some of {', '.join(KEYS)}")
        return None
    for key in plain:
        if key not in KEYS:
            wrong(f"{key!r:.80} is no option of a seed; it has {', '.join(KEYS)}")
    return Seed(**{key: _text(key, plain.get(key), wrong) for key in KEYS})


def _text(key: str, value, wrong: Callable[[str], None]) -> Optional[str]:
    if value is None or value == "":
        return None
    mistake = _mistake(key, value)
    if mistake:
        wrong(f"{key} {mistake}")
        return None
    return str(value)


def _mistake(key: str, value) -> Optional[str]:
    if not isinstance(value, str):
        noun = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, (list, tuple)) else "no text"
        return f"is {noun}, and must be text; write it as a block ({key}: |), or render it: {HINTS[key]}"
    if "\0" in value:
        return "holds a NUL character; it must be text, and cannot be compressed"
    if SURROGATE.search(value):
        return "holds half of a surrogate pair, which is no character and cannot be written"
    size = len(value.encode("utf-8"))
    if size > MAX_BYTES:
        return f"has {size} bytes, and at most {MAX_BYTES} make sense; let the guest fetch what is so large"
    if key == "user_data":
        return _user_data_mistake(value)
    if _first_line(value.split("\n")) is None:
        return "is no YAML mapping; it must have lines such as key: value"
    return None


def _user_data_mistake(text: str) -> Optional[str]:
    """Return why cloud-init would do nothing with this text but log a warning in the guest, or None."""
    if text.startswith(JINJA):
        # The rendered text is judged again. What it will be is known unless Jinja begins it.
        text = text.partition("\n")[2].lstrip()
        if text.startswith("{"):
            return None
        place = "the line after ## template: jinja"
    else:
        place = "its first line"
    if text.startswith(HEADERS + OTHERS) or _is_mime(text):
        return None
    return (
        f"does not begin with what cloud-init knows, so that it would be ignored; {place} must be #cloud-config, or "
        "begin with #! (a script), #include, #cloud-boothook, #cloud-config-archive, #part-handler or "
        f"{JINJA}, or be the first header of a MIME message that has MIME-Version and Content-Type"
    )


def _is_mime(text: str) -> bool:
    """Return whether these are the headers of a MIME message; Content-Type alone does not tell cloud-init."""
    headers = re.split(r"\r?\n[ \t]*\r?\n", text[:MIME_LOOK], maxsplit=1)[0].splitlines()
    return bool(MAIL_HEADER.match(text)) and any(line.lower().startswith("mime-version:") for line in headers)


def _first_line(lines: list[str]) -> Optional[int]:
    """Return where the mapping of a YAML document begins, or None if it looks like none."""
    for index, line in enumerate(lines):
        content = line.strip()
        if not content or content.startswith("#") or line.startswith(("%", "---")):
            continue
        is_pair = re.search(r":(\s|$)", content) and not content.startswith(("- ", "[", "|", ">"))
        return index if is_pair or content.startswith("{") else None
    return None


def seed_files(seed: Seed, name: str) -> dict[str, bytes]:
    """Return the files of the seed of the guest `name`; cloud-init takes no seed without the first two."""
    texts = {"meta-data": _meta_data(seed.meta_data, name), "user-data": seed.user_data or NOTHING}
    if seed.network_config:
        texts["network-config"] = seed.network_config
    return {file: text.encode("utf-8") for file, text in texts.items()}


def _meta_data(text: Optional[str], name: str) -> str:
    """Return the meta-data with an instance-id.

    Where there is none, cloud-init calls the instance "nocloud": a guest that is made from another's disk would have
    the same, and do nothing at its first boot.
    """
    if text is None:
        lines = [f"instance-id: {scalar(name)}"]
        host_name = _host_name(name)
        if host_name:
            lines.append(f"local-hostname: {scalar(host_name)}")
        return "".join(f"{line}\n" for line in lines)
    lines = text.split("\n")
    index = _first_line(lines)
    if index is None:
        return text
    content = lines[index].lstrip()
    indent = lines[index][: -len(content)]
    if content.startswith("{"):
        if not INSTANCE_ID.search("\n".join(lines[index:])):
            lines[index] = f'{indent}{{"instance-id": {json.dumps(name, ensure_ascii=False)}, {content[1:]}'
    elif not any(line.startswith(indent) and INSTANCE_ID.match(line, len(indent)) for line in lines[index:]):
        lines.insert(index, f"{indent}instance-id: {scalar(name)}")
    return "\n".join(lines)


def scalar(text: str) -> str:
    """Return a text as YAML reads it back; a JSON string is one in YAML too."""
    if PLAIN.fullmatch(text) and text.lower() not in YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def _host_name(name: str) -> str:
    """Return a host name as like a guest's name as may be (`web_1` -> `web-1`), or nothing (RFC 1123)."""
    labels = [label[:MAX_LABEL].strip("-") for label in NO_HOST_NAME.sub("-", name).split(".")]
    return ".".join(label for label in labels if label)


def seed_digest(files: dict[str, bytes]) -> str:
    """Return the SHA-256 in hex of the files' names and contents; lengths keep one from passing as another's."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for piece in (name.encode("utf-8"), files[name]):
            digest.update(b"%d:" % len(piece))
            digest.update(piece)
    return digest.hexdigest()


def seed_name(guest: str, digest: str) -> str:
    """Return the name of the volume that holds the seed of a guest; another content has another name."""
    return f"{volume_stem(guest, f'seed-{digest[:16]}')}.iso"
