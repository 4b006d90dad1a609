"""Figures as a part of a web page: SVG in the colours and the font of the page, with names of its own and no styles inside."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from matplotlib.figure import Figure

from wflsim.figures.paper import styled

COLOURS: Mapping[str, str] = {
    "#0072b2": "var(--blue)",
    "#d55e00": "var(--red)",
    "#009e73": "var(--green)",
    "#cc79a7": "var(--pink)",
    "#e69f00": "var(--orange)",
    "#56b4e9": "var(--sky)",
    "#f0e442": "var(--yellow)",
}
"""Colours of figures → those of the page; greys become a mixture of the page's ink and its ground."""
LONG = 8000
"""Letters of a path from which on a tenth of a point is enough."""
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font-family:[^;]*;?|(?<=px) '[^;]*(?=;|$)")
_DROPPED = frozenset({"metadata", "style", "title"})
_GEOMETRY = frozenset({"d", "x", "y", "width", "height", "points", "transform"})
_POINTING = frozenset({"clip-path", "fill", "stroke", "style"})


@dataclass(frozen=True)
class Inline:
    """A figure as a part of a page.

    Attributes:
        svg: The element.
        styles: What its classes mean, for the style sheet of the page.
        paper: Whether it has colours that are not the page's, so that it needs white paper below it.
    """

    svg: str
    styles: str
    paper: bool


def inline(figure: Figure, name: str, says: str, style: str = "") -> Inline:
    """Return a figure for a page.

    Args:
        figure: The figure.
        name: What its parts are called after, since the page may have other figures.
        says: What it shows, for those who do not see it.
        style: The style that was laid over when it was drawn.
    """
    written = BytesIO()
    with styled(style):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    root = ET.fromstring(text)  # noqa: S314 - what was written a moment ago
    seen = set(_COLOUR.findall(text.decode()))
    paper = any(map(_strange, seen)) or b"<image" in text
    page = _Page(name, {}, {}, paper)
    for place, each in enumerate(dict.fromkeys(_pointed(root))):
        page.names[each] = f"{name}-{place}"
    inside = "".join(page.told(each) for each in root)
    svg = f'<svg viewBox="{root.get("viewBox")}" role="img" aria-label={quoteattr(says)}>{inside}</svg>'
    rules = "".join(f".{of}{{{what}}}" for what, of in page.classes.items())
    return Inline(svg, rules, paper)


def _strange(colour: str) -> bool:
    """Return whether a colour is neither the page's nor grey."""
    return colour not in COLOURS and not colour[1:3] == colour[3:5] == colour[5:7]


def of_page(colour: str) -> str:
    """Return a colour of a figure as the page has it: greys by how far they are from black.

    >>> of_page("#0072b2"), of_page("#000000"), of_page("#e6e6e6")
    ('var(--blue)', 'var(--ink)', 'color-mix(in srgb, var(--ink) 10%, var(--ground))')
    """
    if colour in COLOURS:
        return COLOURS[colour]
    black = round(100 * (1 - int(colour[1:3], 16) / 255))
    return (
        "var(--ink)" if black == 100 else f"color-mix(in srgb, var(--ink) {black}%, var(--ground))"
    )


def _pointed(root: Any) -> Iterator[str]:
    """Yield the names that parts of a drawing are pointed at by."""
    for each in root.iter():
        for key, value in each.attrib.items():
            if _bare(key) == "href" and value.startswith("#"):
                yield value[1:]
            elif _bare(key) in _POINTING:
                yield from _REFERENCE.findall(value)


def _bare(key: str) -> str:
    """Return a name without its namespace."""
    return key.rpartition("}")[2]


@dataclass(frozen=True)
class _Page:
    """How parts of a drawing are told on a page.

    Attributes:
        name: What classes are called after.
        names: Name of a part that is pointed at → its name on the page.
        classes: Style → its class.
        paper: Whether colours stay as they are.
    """

    name: str
    names: dict[str, str]
    classes: dict[str, str]
    paper: bool

    def told(self, part: Any) -> str:
        """Return a part with all that is in it."""
        tag = _bare(part.tag)
        if tag in _DROPPED:
            return ""
        own = dict(self._attributes(part, tag))
        words = escape(part.text or "") if tag in ("text", "tspan") else ""
        inside = words + "".join(
            self.told(each) + (escape(each.tail or "").strip() if words else "") for each in part
        )
        if tag == "g" and not (own and inside):
            return inside
        said = "".join(f" {key}={quoteattr(value)}" for key, value in own.items())
        return f"<{tag}{said}>{inside}</{tag}>" if inside else f"<{tag}{said}/>"

    def _attributes(self, part: Any, tag: str) -> Iterator[tuple[str, str]]:
        """Yield the attributes of a part."""
        for key, value in part.attrib.items():
            bare = _bare(key)
            if bare == "id":
                if value in self.names:
                    yield "id", self.names[value]
            elif bare == "style":
                if clean := self._style(value):
                    yield (
                        "class",
                        self.classes.setdefault(clean, f"{self.name}-s{len(self.classes)}"),
                    )
            elif not (bare == "transform" and re.match(r"rotate\(-?0 ", value)):
                yield bare, self._value(bare, value)

    def _style(self, value: str) -> str:
        """Return a style in the page's font and colours."""
        clean = _FONT.sub("", value)
        parts = (part.strip() for part in self._value("style", clean).split(";"))
        return ";".join(part.replace(": ", ":") for part in parts if part)

    def _value(self, key: str, value: str) -> str:
        """Return a value with short numbers, and with the page's names and colours."""
        if key in _GEOMETRY:
            places = 1 if len(value) > LONG else 2
            value = _NUMBER.sub(lambda found: f"{round(float(found[0]), places):g}", value)
            return " ".join(value.split())
        if key == "href":
            return f"#{self.names[value[1:]]}" if value[1:] in self.names else value
        if key in _POINTING:
            value = _REFERENCE.sub(lambda found: f"url(#{self.names[found[1]]})", value)
        return value if self.paper else _COLOUR.sub(lambda found: of_page(found[0]), value)
