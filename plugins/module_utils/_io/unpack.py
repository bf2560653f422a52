# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packed content: known by its first bytes, unpacked while it streams, in bounded memory whatever it is."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import zlib
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from typing import Callable, Iterable, Iterator, Optional

from .._core.errors import ImageError

BLOCK = 256 * 1024
# What follows the end of a stream is copied each time; in small pieces a file of many empty streams costs little.
PIECE = 16 * 1024
MEMORY_MIB = 128
WINDOW_LOG = 27  # 2 ** 27 is 128 MiB
MOST_WORDS = 4096

ZSTD = b"\x28\xb5\x2f\xfd"
BZIP2_BLOCKS = (bytes.fromhex("314159265359"), bytes.fromhex("177245385090"))
SKIPPABLE = b"\x2a\x4d\x18"
AGAIN = "deliver it whole again"
# What the libraries and the command say of a dictionary or window that is too large, in lower case.
TOO_LARGE = ("memory usage limit", "too much memory", "window size larger")

# What zstd says of content that is cut off: in the middle, in a frame's head, before its first byte.
CUT = ("premature end", "unexpected end", "unknown header")


@dataclass(frozen=True)
class Packing:
    """One way to pack: its name, what opens a stream, and the multiple of zero bytes that may follow one (0: none)."""

    name: str
    begin: Callable
    padding: int = 0


def packing_of(head: bytes) -> Optional[str]:
    """Return how content that begins so is packed ("gz", "bz2", "xz", "zst"), or None."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gz"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"BZh") and head[3:4] in b"123456789" and head[4:10] in BZIP2_BLOCKS:
        return "bz2"
    return "zst" if _after_skippable(head).startswith(ZSTD) else None


def _after_skippable(head: bytes) -> bytes:
    """Return what follows the skippable frames (RFC 8878, 3.1.2): pzstd begins with one, and lz4 has the same."""
    while head[1:4] == SKIPPABLE and 0x50 <= head[0] <= 0x5F:
        head = head[8 + int.from_bytes(head[4:8], "little") :]
    return head


def unpacked(kind: str, blocks: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Yield the content of packed blocks in blocks of at most BLOCK bytes; close it if you leave it early.

    Several streams in a row are one content, as the tools have it. Raises ImageError, which names `what`, for content
    that ends too early, is damaged, goes on after its end, or needs more memory than MEMORY_MIB to unpack.
    """
    if kind == "zst" and _zstd_library() is None:
        return _by_command(blocks, what)
    return _by_library(PACKINGS[kind], blocks, what)


def content_head(reader, length: int, what: str) -> tuple[bytes, Optional[str]]:
    """Return the first bytes of a reader's content, unpacked if it is packed, and how it is packed."""
    blocks = iter(lambda: reader.read(max(length, PIECE)), b"")
    head = _first(blocks, max(length, PIECE))
    kind = packing_of(head)
    if kind:
        with closing(unpacked(kind, chain([head], blocks), what)) as content:
            head = _first(content, length)
    return head[:length], kind


def _first(blocks: Iterable[bytes], length: int) -> bytes:
    """Return the first blocks, with at least `length` bytes if there are so many."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= length:
            break
    return head


class _Gzip:
    """zlib's decompressor with the manners of the other libraries' ones."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self.needs_input = True

    def decompress(self, data: bytes, most: int) -> bytes:
        block = self._inflate.decompress(self._inflate.unconsumed_tail + data, most)
        # A full block may have more behind it although all input was taken.
        self.needs_input = not self._inflate.unconsumed_tail and len(block) < most
        return block

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data


def _bzip2():
    return import_module("bz2").BZ2Decompressor()


def _xz():
    lzma = import_module("lzma")
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY_MIB * 2**20)


def _zstd():
    zstd = _zstd_library()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})


def _zstd_library():
    """Return Python 3.14's zstd, or its backport, or None.

    The package `zstandard` is none of them: it does not tell content that ends too early from whole content.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


# gzip takes zeros at the end for a tape's padding; xz has "stream padding" (.xz format, 2.2).
PACKINGS = {
    "gz": Packing("gzip", _Gzip, padding=1),
    "bz2": Packing("bzip2", _bzip2),
    "xz": Packing("xz", _xz, padding=4),
    "zst": Packing("zstd", _zstd),
}


def _by_library(packing: Packing, blocks: Iterable[bytes], what: str) -> Iterator[bytes]:
    stream, streams, padding, given = None, 0, 0, False
    for piece in _pieces(blocks):
        while piece or (stream and not stream.needs_input):
            if stream is None:
                piece, zeros = _without_padding(packing, piece)
                padding += zeros
                if not piece:
                    break
                _check_padding(packing, padding, what)
                stream, streams, padding, given = _begin(packing, what), streams + 1, 0, False
            block = _step(packing, stream, piece, what, after_end=streams > 1 and not given)
            piece = b""
            if block:
                given = True
                yield block
            if stream.eof:
                piece, stream = stream.unused_data, None
    if stream or not streams:
        raise _too_early(packing.name, what)
    _check_padding(packing, padding, what)


def _pieces(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), PIECE):
            yield block[start : start + PIECE]


def _without_padding(packing: Packing, piece: bytes) -> tuple:
    """Return a piece that follows a stream without the zeros that it begins with, and how many those are."""
    rest = piece.lstrip(b"\0") if packing.padding else piece
    return rest, len(piece) - len(rest)


def _check_padding(packing: Packing, padding: int, what: str) -> None:
    if padding and padding % packing.padding:
        raise ImageError(
            f"is damaged: {padding} zero bytes follow an {packing.name} stream, which is no multiple of "
            f"{packing.padding}; {AGAIN}",
            what,
        )


def _begin(packing: Packing, what: str):
    try:
        return packing.begin()
    except ImportError as error:
        raise ImageError(
            f"is packed with {packing.name}, and the Python of this host cannot unpack it ({error}); install a Python "
            "that can, or deliver the content unpacked",
            what,
        ) from None


def _step(packing: Packing, stream, piece: bytes, what: str, after_end: bool) -> bytes:
    try:
        return stream.decompress(piece, BLOCK)
    except MemoryError:
        raise
    except Exception as error:  # pylint: disable=broad-exception-caught
        # Each library has its own class of errors, and bz2 has OSError, ValueError and EOFError.
        if after_end and not _is_too_large(str(error)):
            raise ImageError(
                f"goes on after the end of its {packing.name} content with something that is not {packing.name}; "
                "deliver it without that",
                what,
            ) from None
        raise _refusal(packing.name, str(error), what) from None


def _refusal(name: str, words: str, what: str) -> ImageError:
    """Return the error for what a library or a command said."""
    if _is_too_large(words):
        return ImageError(
            f"needs more than {MEMORY_MIB} MiB of memory to unpack; pack it with a smaller dictionary or window "
            f"({name} without --long or dict= beyond that)",
            what,
        )
    if any(known in words for known in CUT):
        return _too_early(name, what)
    return ImageError(f"is damaged, or not packed with {name} as it begins: {words}; {AGAIN}", what)


def _is_too_large(words: str) -> bool:
    return any(known in words.lower() for known in TOO_LARGE)


def _too_early(name: str, what: str) -> ImageError:
    return ImageError(f"ends too early: its {name} content is not complete; {AGAIN}", what)


def _by_command(blocks: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Unpack zstd through its command, which lives no longer than this generator."""
    program = shutil.which("zstd")
    if program is None:
        raise ImageError("is packed with zstd, which this host cannot unpack; install zstd", what)
    with _started([program, "-q", "-d", "-c", f"--memory={MEMORY_MIB}MiB"], what) as process:
        feed, words = _Feed(process.stdin, blocks), bytearray()
        try:
            yield from _exchange(process, feed, words)
            process.wait()
        finally:
            process.kill()
    if process.returncode or not feed.whole:
        said = " ".join(words.decode("utf-8", "replace").split())
        raise _refusal("zstd", said or f"zstd ended with {process.returncode}", what)


def _started(command: list, what: str) -> subprocess.Popen:
    pipe = subprocess.PIPE
    try:
        # AnsibleModule.run_command gives no stream.
        return subprocess.Popen(  # pylint: disable=ansible-bad-function
            command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )
    except OSError as error:
        raise ImageError(f"cannot run {command[0]}, which would unpack it: {error.strerror}", what) from None


class _Feed:
    """Gives blocks to a pipe as it takes them; `whole` when it took all."""

    def __init__(self, pipe, blocks: Iterable[bytes]) -> None:
        self._pipe, self._blocks, self._rest, self.whole = pipe, iter(blocks), memoryview(b""), False
        os.set_blocking(pipe.fileno(), False)

    def step(self) -> bool:
        """Write what the pipe takes now; return False when there is no more to write."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        self.whole = not self._rest
        try:
            if self._rest:
                self._rest = self._rest[os.write(self._pipe.fileno(), self._rest) :]
                return True
        except BlockingIOError:
            return True
        except BrokenPipeError:
            pass  # It ended, and says why.
        return False


def _exchange(process, feed: _Feed, words: bytearray) -> Iterator[bytes]:
    """Yield what a process puts out while it is fed; put the beginning of what it says into `words`."""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdin, selectors.EVENT_WRITE)
        ready.register(process.stdout, selectors.EVENT_READ)
        ready.register(process.stderr, selectors.EVENT_READ)
        while ready.get_map():
            for key, events in ready.select():
                if events & selectors.EVENT_WRITE:
                    over = not feed.step()
                else:
                    block = os.read(key.fd, BLOCK)
                    over = not block
                    if block and key.fileobj is process.stdout:
                        yield block
                    elif len(words) < MOST_WORDS:
                        words += block
                if over:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
