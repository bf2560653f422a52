# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files over http and https, of any size; a transfer that breaks is taken up again, by us or by the next run."""

from __future__ import annotations

import io
from typing import Optional

from .._core.errors import ImageError
from .client import GONE, NEVER, NO_SUCH_RANGE, STAMP, Answer, Client, Failure, pause, range_of
from .url import Access, shown

CHANGED = "the file changed on the server while it was read; run again"
OTHER_PART = "the server sends another part of the file than it was asked for"
LOST = "the transfer broke, and the server neither goes on where it did nor tells whether the file is still the same"


class Download(io.RawIOBase):
    """The content of a file from `offset` on, as a stream; what breaks is asked for again from there.

    `size` is the whole file's, in bytes. `read(n)` gives less than n bytes only at the end. Reading raises ImageError
    where it cannot go on with the same file. Where the server tells neither a length nor chunks, an end is the end.
    """

    def __init__(self, client: Client, answer: Answer) -> None:
        super().__init__()
        self.url = client.url
        self.offset = answer.position
        self.size, self.stamp = answer.size, answer.stamp
        self._client, self._answer = client, answer
        self._tries = 0

    def readable(self) -> bool:
        return True

    def read(self, size: Optional[int] = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        pieces = []
        while size and (piece := self._piece(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer) -> int:
        with memoryview(buffer) as view, view.cast("B") as octets:
            piece = self._piece(len(octets)) if octets else b""
            octets[: len(piece)] = piece
            return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._answer.close()
        super().close()

    def _piece(self, most: int) -> bytes:
        """Return some of the next bytes, none at the end."""
        if self.closed:  # pylint: disable=using-constant-test  # a property, of a class in C
            raise ValueError("I/O operation on a closed download")
        while self._answer.position != self.size:
            try:
                piece = self._answer.read(most)
            except Failure as failure:
                self._resume(failure)
                continue
            if piece:
                self._tries = 0
                return piece
            if self.size is None:
                return b""
            # The part has come whole, and it was not all that we asked for.
            self._resume(None)
        return b""

    def _resume(self, failure: Optional[Failure]) -> None:
        """Ask for the rest, after a failure until it comes or none is left to try."""
        position, place = self._answer.position, self._answer.place
        self._answer.close()
        while True:
            if failure:
                if self._tries >= self._client.access.retries:
                    told = f"{failure.text}, after {position} bytes and {self._tries} retries"
                    raise self._client.error(Failure(told, failure.place)) from None
                pause(self._tries)
                self._tries += 1
            try:
                self._take(self._client.ask(range_of(position, self.stamp), place=place))
                return
            except Failure as error:
                failure = error
            if failure.status == NO_SUCH_RANGE:
                raise self._client.error(Failure(CHANGED, place))
            if failure.again == NEVER:
                # A redirect is often good for some minutes only; else the same mirror has the same file.
                if place == self.url:
                    raise self._client.error(failure)
                place = self.url

    def _take(self, answer: Answer) -> None:
        """Go on with an answer that has the rest of the same file, or all of it; raise ImageError for another."""
        position = self._answer.position
        try:
            mistake = self._mistake(answer, position)
            if mistake:
                raise self._client.error(Failure(mistake, answer.place))
            self.size = answer.size if self.size is None else self.size
            answer.end = self.size if answer.end is None else answer.end
            while answer.position < position:
                if not answer.read(position - answer.position):
                    raise self._client.error(Failure(CHANGED, answer.place))
        except (Failure, ImageError):
            answer.close()
            raise
        self._answer = answer

    def _mistake(self, answer: Answer, position: int) -> Optional[str]:
        """Return why an answer does not go on at a position of the same file, or None."""
        known = answer.stamp is not None and self.stamp is not None
        if len({answer.size, self.size} - {None}) > 1 or (known and answer.stamp != self.stamp):
            return CHANGED
        if answer.start == position or (answer.start == 0 and known):
            return None
        return LOST if answer.start == 0 else OTHER_PART


def download(
    url: str, access: Access, what: str, offset: int = 0, stamp: Optional[str] = None, missing: bool = False
) -> Optional[Download]:
    """Return a file's content; from an offset on if the server still has what had this stamp, else from 0.

    `what` names the file in errors. Raises ImageError; with `missing`, a file that the server does not have is None.
    """
    client = Client(url, access, what)
    try:
        return Download(client, _first(client, offset, stamp))
    except Failure as failure:
        if missing and failure.status in GONE:
            return None
        raise client.error(failure) from None


def _first(client: Client, offset: int, stamp: Optional[str]) -> Answer:
    """Return the answer that begins where the same file is to go on, or else at 0."""
    answer = _rest(client, offset, stamp) if offset and STAMP.fullmatch(stamp or "") else None
    if answer is None:
        answer = client.ask_patiently({})
        if answer.start != 0:
            answer.close()
            raise Failure(OTHER_PART, answer.place)
    if stamp and (answer.size, answer.stamp) == (offset, stamp):
        # It was whole already.
        answer.position = offset
    return answer


def _rest(client: Client, offset: int, stamp: Optional[str]) -> Optional[Answer]:
    """Return the answer that has the rest of the same file, or all of it; None for any other."""
    try:
        answer = client.ask_patiently(range_of(offset, stamp))
    except Failure as failure:
        if failure.status != NO_SUCH_RANGE:
            raise
        return None
    if answer.start == 0 or (answer.start, answer.stamp) == (offset, stamp):
        return answer
    answer.close()
    return None


def read_whole(url: str, access: Access, what: str, most: int) -> Optional[bytes]:
    """Return a small file, or None where the server does not have it; raise ImageError for more than `most` bytes."""
    stream = download(url, access, what, missing=True)
    if stream is None:
        return None
    with stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ImageError(f"cannot fetch {what}: {shown(url)}: it has more than {most} bytes, which is too much for it")
    return content
