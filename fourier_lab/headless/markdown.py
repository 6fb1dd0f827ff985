"""Markdown of the study as HTML that needs no script: formulas become MathML, links are decided by the caller."""

import html
import re
from collections.abc import Callable
from typing import Any

from latex2mathml.converter import convert

from .quick_import import without_grammar

with without_grammar():
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

Link = Callable[[str], str | None]


def to_html(text: str, link: Link) -> str:
    """Return Markdown as HTML.

    Args:
        text: Markdown with tables and with formulas between dollar signs.
        link: Returns the address that a link of the text becomes, or None if it leads nowhere; it is then plain text.
    """
    return MarkdownWithMath(renderer=_Renderer(link)).render(text)


class _Renderer(IPythonRenderer):
    def __init__(self, link: Link) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self._link = link

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        # The address that GitHub gives it, as the text's own links say it.
        words = re.sub(r"<[^>]*>", "", text)
        slug = re.sub(r"[^\w\- ]", "", html.unescape(words)).lower().replace(" ", "-")
        return f'<h{level} id="{slug}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        target = self._link(url)
        return text if target is None else super().link(text, target, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        target = self._link(url)
        if target is None or is_external(target):  # a badge of another host: its words do
            return html.escape(text)
        return super().image(text, target, title)

    def table(self, text: str) -> str:
        text = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", text)  # a heading of no words is none
        return f'<div class="wide"><table>\n{text}</table></div>\n'  # a phone scrolls the table, not the page

    def inline_math(self, body: str) -> str:
        return convert(body)

    def block_math(self, body: str) -> str:
        return f'<div class="wide">{convert(body.strip(), display="block")}</div>\n'


def is_external(url: str) -> bool:
    """Return whether an address names another host, or whom to write to; javascript and other schemes are none."""
    return url.startswith(("http://", "https://", "//", "mailto:"))
