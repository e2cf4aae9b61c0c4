"""Curves with logarithmic axes as SVG, without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 640
_HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 44, 48, 56
_COLOURS: Final = ("#1f5fa8", "#c1541c", "#3b7f3b", "#7a4a9c")
_FONT: Final = 'font-family="sans-serif" font-size="12" fill="#333"'

Points = Sequence[tuple[float, float]]


class _Axis:
    """From values to pixels, over whole decades."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.first, self.last = floor(log10(min(values))), ceil(log10(max(values)))
        self.last = max(self.last, self.first + 1)
        self._start, self._scale = start, (end - start) / (self.last - self.first)

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return round(self._start + (log10(value) - self.first) * self._scale, 1)

    @property
    def labels(self) -> list[float]:
        """The values with a label: whole decades, and where these are few, twos and fives between them."""
        steps = (1, 2, 5) if self.last - self.first <= 2 else (1,)
        every = [10.0**power * step for power in range(self.first, self.last + 1) for step in steps]
        return [value for value in every if value <= 10.0**self.last]


def plot(title: str, x_label: str, y_label: str, curves: Mapping[str, Points]) -> str:
    """An SVG document. All values are above zero."""
    every = [point for points in curves.values() for point in points]
    x = _Axis([one for one, _ in every], _LEFT, _WIDTH - _RIGHT)
    y = _Axis([two for _, two in every], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" {_FONT} font-weight="bold">{escape(title)}</text>',
        *_grid(x, y),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 14}" {_FONT} text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(16 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" {_FONT} text-anchor="middle">{escape(y_label)}</text>',
    ]
    for number, (name, points) in enumerate(curves.items()):
        parts += _curve(x, y, points, _COLOURS[number % len(_COLOURS)])
        parts += _legend(name, number)
    return "\n".join([*parts, "</svg>\n"])


def _grid(x: _Axis, y: _Axis) -> list[str]:
    parts = []
    for value in x.labels:
        at = x.at(value)
        parts.append(f'<path d="M{at} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#ddd" fill="none"/>')
        parts.append(f'<text x="{at}" y="{_HEIGHT - _BOTTOM + 18}" {_FONT} text-anchor="middle">{value:,.10g}</text>')
    for value in y.labels:
        at = y.at(value)
        parts.append(f'<path d="M{_LEFT} {at}H{_WIDTH - _RIGHT}" stroke="#ddd" fill="none"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4}" {_FONT} text-anchor="end">{value:,.10g}</text>')
    return parts


def _curve(x: _Axis, y: _Axis, points: Points, colour: str) -> list[str]:
    places = [(x.at(one), y.at(two)) for one, two in points]
    line = " ".join(f"{one},{two}" for one, two in places)
    return [
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{one}" cy="{two}" r="3.5" fill="{colour}"/>' for one, two in places),
    ]


def _legend(name: str, number: int) -> list[str]:
    left = _LEFT + number * 190
    colour = _COLOURS[number % len(_COLOURS)]
    return [
        f'<path d="M{left} 35H{left + 18}" stroke="{colour}" stroke-width="2"/>',
        f'<text x="{left + 24}" y="39" {_FONT}>{escape(name)}</text>',
    ]
