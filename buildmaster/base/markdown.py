"""Descriptions that users write in Markdown, as HTML."""

from __future__ import annotations

from markdown_it import MarkdownIt

_renderer = MarkdownIt("commonmark", {"html": False})


def to_html(text: str) -> str:
    """The HTML of a Markdown text; HTML in the text is shown, not obeyed."""
    return str(_renderer.render(text))
