"""What the page of search is given: the text of every section of every page."""

import html
import re

_MAIN = re.compile(r"<main>(.*)</main>", flags=re.DOTALL)
_HEADING = re.compile(r'<h[1-3](?: [^>]*?id="([^"]*)")?[^>]*>')
_SILENT = re.compile(r"<(style|script|select|svg)\b.*?</\1>|<[^>]*>", flags=re.DOTALL)


def sections(page: str, title: str, text: str) -> list[dict[str, str]]:
    """Return the sections of a page, those of a heading of level 1 to 3 each, without tags.

    Args:
        page: Its address in the site.
        title: Its title.
        text: Its HTML, of which the part inside ``main`` is read.

    Returns:
        list: ``address`` (with the heading's anchor, where it has one), ``page`` (the title), ``heading`` and ``text``.

    Example:
        >>> sections("a.html", "A", '<main><h2 id="b">B &amp; c</h2><p>d <b>e</b></p></main>')
        [{'address': 'a.html#b', 'page': 'A', 'heading': 'B & c', 'text': 'd e'}]
    """
    (main,) = _MAIN.findall(text)
    _, *parts = _HEADING.split(main)
    found = []
    for anchor, part in zip(parts[::2], parts[1::2], strict=True):
        heading, _, rest = re.sub(r"</h[1-3]>", "\0", part).partition("\0")
        address = f"{page}#{anchor}" if anchor else page
        found.append({"address": address, "page": title, "heading": _plain(heading), "text": _plain(rest)})
    return found


def _plain(text: str) -> str:
    return " ".join(html.unescape(_SILENT.sub(" ", text)).split())
