# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that the collection shows to its users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, where, on which line, and at which XPath."""

    message: str
    where: Optional[str] = None
    line: Optional[int] = None
    xpath: Optional[str] = None

    def __str__(self) -> str:
        place = self.where or ""
        if self.line:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        head = f"{place}: " if place else ""
        tail = f" [{self.xpath}]" if self.xpath else ""
        return f"{head}{self.message}{tail}"


class ImageError(Exception):
    """Something the user can mend; its text is one line for each problem."""

    def __init__(
        self, message: str, where: Optional[str] = None, line: Optional[int] = None, xpath: Optional[str] = None
    ) -> None:
        self.problems: tuple[Problem, ...] = (Problem(message, where, line, xpath),)
        super().__init__(message)

    @classmethod
    def of(cls, problems) -> ImageError:
        """Return one error that tells all the (at least one) problems."""
        error = cls("")
        error.problems = tuple(problems)
        return error

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)

    def about(self, subject: str) -> ImageError:
        """Return the same problems; those that do not say where are headed by their subject (a guest, say)."""
        return ImageError.of(
            problem if problem.where else Problem(f"{subject}: {problem.message}") for problem in self.problems
        )


class WrongContent(ImageError):
    """A file that is not what its checksums say."""


class Problems:
    """Collects what is wrong, so that four mistakes are four lines of one error."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, problem: Problem) -> None:
        self.found.append(problem)

    def extend(self, error: ImageError) -> None:
        self.found.extend(error.problems)

    def raise_any(self) -> None:
        """Raise what was collected, if anything was."""
        if self.found:
            raise ImageError.of(self.found)
