# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a home folder in which ansible-test needs nothing but the package index of this machine.

    PYTHON ansible_test_home.py FOLDER

PYTHON is an interpreter with ansible-core and pip. ansible-test keeps its environments under HOME, so a home of its own
also leaves the user's alone. Two things are put there:

- A stand-in for pip's bootstrap script, which ansible-test otherwise fetches from a site of its own. Always, not only
  where that site is out of reach: one way for all machines, and one thing less that can fail. ansible-test knows the
  pip that it wants; the stand-in installs exactly that one from the index, with the pip of PYTHON.
- pip's settings, as one file: ansible-test takes HOME along, but drops the variables that pip reads.
"""

from __future__ import annotations

import ast
import configparser
import os
import pathlib
import subprocess
import sys

from ansible_test._internal import python_requirements

STAND_IN = """\
import subprocess
import sys

# Options of the real script that pip does not know.
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([{python!r}, "-m", "pip", "--python", sys.executable, "install", *arguments]))
"""


class _Venv:
    """All that ansible-test asks of an interpreter here."""

    version = f"{sys.version_info.major}.{sys.version_info.minor}"


def write_stand_in(home: pathlib.Path) -> None:
    """Put the stand-in where ansible-test looks for a script that it has fetched before."""
    version = python_requirements.get_venv_packages(_Venv())["pip"].replace(".", "_")
    script = home / ".ansible" / "test" / "cache" / f"get_pip_{version}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(STAND_IN.format(python=sys.executable))


def pip_settings() -> dict[str, dict[str, str]]:
    """Return what pip goes by here, by section: the machine's files, the user's, the environment (strongest, last)."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    settings: dict[str, dict[str, str]] = {"global": {}}
    # pip takes these from other programs' variables.
    for key, variable in (("cert", "REQUESTS_CA_BUNDLE"), ("proxy", "https_proxy"), ("proxy", "HTTPS_PROXY")):
        if os.environ.get(variable):
            settings["global"][key] = os.environ[variable]
    from_environment = {}
    for line in listed.stdout.splitlines():
        name, value = line.split("=", 1)
        section, key = name.rsplit(".", 1)
        target = from_environment if section == ":env:" else settings.setdefault(section, {})
        target[key] = ast.literal_eval(value)
    # ansible-test makes some ten environments; what pip has to say of each is noise.
    settings["global"].update(from_environment, quiet="1")
    return settings


def write_pip_settings(home: pathlib.Path) -> None:
    """Write pip's settings to the home, and let it share the user's cache of packages."""
    parser = configparser.RawConfigParser()
    parser.read_dict(pip_settings())
    target = home / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    # It may hold an index's password.
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        parser.write(stream)
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], check=False, capture_output=True, text=True)
    link = home / ".cache" / "pip"
    if cache.returncode == 0 and not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(cache.stdout.strip())


def main() -> None:
    """Make the home that the command line names."""
    home = pathlib.Path(sys.argv[1])
    write_stand_in(home)
    write_pip_settings(home)


if __name__ == "__main__":
    main()
