# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium without a screen, spoken to over a pipe in its DevTools protocol; no driver, no packages of Python.

Source: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
import zlib
from pathlib import Path

# A loaded machine is slow.
SECONDS = 60
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync "
    "--disable-component-update --disable-dev-shm-usage --hide-scrollbars --force-color-profile=srgb --remote-debugging-pipe"
).split()


class Chromium:
    """One browser with one tab; `events` are what it told since `open`."""

    def __init__(self, profile: Path):
        program = shutil.which("chromium")
        assert program, "there is no chromium; script/setup browser installs it"
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The browser has its pipe at 3 and 4; a shell puts them there.
        lead = ["bash", "-c", f'exec 3<&{commands} 4>&{answers}; exec "$0" "$@"', program]
        self._process = subprocess.Popen(
            [*lead, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._number, self._rest, self._session, self.events = 0, b"", None, []

    def __enter__(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_error):
        self._process.terminate()
        self._process.wait(SECONDS)
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **arguments) -> dict:
        """Return what a command gives; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]
            self.events.append(told)

    def _next(self) -> dict:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready = select.select([self._read], [], [], max(0, end - time.monotonic()))[0]
            part = os.read(self._read, 1 << 20) if ready else b""
            assert part, "chromium does not answer"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, file: Path, width: int, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Open a file in a window of this size, until it is loaded."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=file.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def requests(self) -> list:
        """Return the addresses that the page asked for."""
        asked = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def complaints(self) -> list:
        """Return what the page or the browser wrote to its console, such as a breach of the page's policy."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event["params"] for event in self.events if event.get("method") in kinds]

    def ask(self, script: str):
        """Return the value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def screenshot(self, scale: float = 1, whole: bool = False) -> bytes:
        """Return what is seen as PNG, or the whole page."""
        height = "document.documentElement.scrollHeight" if whole else "innerHeight"
        width, height, top = self.ask(f"[innerWidth, {height}, {0 if whole else 'scrollY'}]")
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": scale}
        return base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=whole)["data"])

    def paper(self) -> bytes:
        """Return the page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])


def colours(png: bytes) -> dict:
    """Return how many pixels of a PNG (8 bits, not interlaced) have each colour, as (red, green, blue)."""
    place, data = 8, b""
    while place < len(png):
        length, kind = int.from_bytes(png[place : place + 4], "big"), png[place + 4 : place + 8]
        content = png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, size = *(int.from_bytes(content[at : at + 4], "big") for at in (0, 4)), {2: 3, 6: 4}[content[9]]
        elif kind == b"IDAT":
            data += content
        place += 12 + length
    raw, stride, found, before = zlib.decompress(data), width * size, {}, bytes(width * size)
    for row in range(height):
        start = row * (stride + 1)
        before = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, size)
        for at in range(0, stride, size):
            pixel = tuple(before[at : at + 3])
            found[pixel] = found.get(pixel, 0) + 1
    return found


def _unfiltered(kind: int, line: bytearray, above: bytes, size: int) -> bytes:
    """Return a line of a PNG. Source: https://www.w3.org/TR/png/#9Filters"""
    for at, value in enumerate(line):
        left, up, corner = (line[at - size], above[at], above[at - size]) if at >= size else (0, above[at], 0)
        nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
        line[at] = (value + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
    return bytes(line)
