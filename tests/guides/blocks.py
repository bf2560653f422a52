# SPDX-License-Identifier: GPL-3.0-or-later
"""The code blocks of a page, in their order: of a guide in RST, and of a page in Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from antsibull_docutils.utils import parse_document
from docutils import nodes
from docutils.parsers.rst import Directive, directives
from markdown_it import MarkdownIt

# What a comment right before a block says of it, and why: ".. not run: it needs a second host".
NOTES = ("not run", "fails")


@dataclass(frozen=True)
class Block:
    """One code block: `caption` is the file that it is; `note` one of NOTES or None, `reason` what the note goes on with."""

    page: Path
    line: int
    language: str
    text: str
    caption: str | None = None
    note: str | None = None
    reason: str = ""


class CodeBlock(Directive):
    """Sphinx's code-block, as far as it matters here: docutils' own knows no caption."""

    has_content = True
    required_arguments = 1
    option_spec = {"caption": directives.unchanged_required, "emphasize-lines": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content) + "\n"
        says = {"language": self.arguments[0], "caption": self.options.get("caption"), "line": self.content_offset + 1}
        return [nodes.literal_block(text, text, **says)]


def read(page: Path) -> tuple[Block, ...]:
    """Return the code blocks of a page, whose name ends in .rst or .md."""
    return (_read_rst if page.suffix == ".rst" else _read_markdown)(page, page.read_text(encoding="utf-8"))


def _read_rst(page: Path, text: str) -> tuple[Block, ...]:
    document = parse_document(text, parser_name="restructuredtext", path=page, rst_directives={"code-block": CodeBlock})
    for message in document.findall(nodes.system_message):
        # A block that is not understood would simply not run. Roles of Sphinx are unknown here, and no matter.
        if "code-block" in message.astext():
            raise ValueError(f"{page}:{message['line']}: {' '.join(message[0].astext().split())}")
    found = (node for node in document.findall(nodes.literal_block) if "language" in node)
    return tuple(
        Block(page, node["line"], node["language"], node.astext(), node["caption"], *_note(page, node)) for node in found
    )


def _note(page: Path, node: nodes.Node) -> tuple[str | None, str]:
    """Return the note in the comment right before a block, and its reason."""
    before = node.previous_sibling()
    if not isinstance(before, nodes.comment):
        return None, ""
    note, colon, reason = before.astext().partition(":")
    if note not in NOTES:
        return None, ""
    if not colon or not reason.strip():
        raise ValueError(
            f"{page}:{node['line']}: the comment '.. {note}' before this block gives no reason; '.. {note}: REASON'"
        )
    return note, reason.strip()


def _read_markdown(page: Path, text: str) -> tuple[Block, ...]:
    fences = (token for token in MarkdownIt().parse(text) if token.type == "fence")
    return tuple(Block(page, token.map[0] + 2, token.info.strip(), token.content) for token in fences)
