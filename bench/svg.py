"""Two kinds of picture as plain SVG: lines on logarithmic axes, and groups of bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH, _HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 250, 46, 56
_PLOT_RIGHT, _PLOT_BOTTOM = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

COLOURS: Final = ("#d1495b", "#00798c", "#edae49", "#5f5aa2", "#66a182", "#6b6b6b", "#2e4057", "#b07aa1")
"""Told apart by people who do not see all colours; the first is Coscribe's."""


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bars:
    name: str
    values: Sequence[float | None]
    """One for each group."""


def line_chart(title: str, x_title: str, y_title: str, lines: Sequence[Line], *, limit: float | None = None) -> str:
    """Lines on two logarithmic axes.

    Args:
        limit: a value of y to mark with a dashed line.
    """
    shown = [(x, y) for line in lines for x, y in line.points if x > 0 and y > 0]
    if not shown:
        return _picture(title, [])
    xs = _Scale([x for x, _ in shown], _LEFT, _PLOT_RIGHT)
    ys = _Scale([y for _, y in shown] + ([limit] if limit else []), _PLOT_BOTTOM, _TOP)
    parts = _axes(xs, ys, x_title, y_title)
    if limit:
        y = ys.place(limit)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_PLOT_RIGHT}" stroke="#222" stroke-dasharray="6 4"/>')
    for index, line in enumerate(lines):
        places = [(xs.place(x), ys.place(y)) for x, y in sorted(line.points) if x > 0 and y > 0]
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    return _picture(title, parts + _legend([line.name for line in lines]))


def bar_chart(title: str, y_title: str, groups: Sequence[str], bars: Sequence[Bars]) -> str:
    """Groups of bars on a linear axis."""
    top = max((value for bar in bars for value in bar.values if value is not None), default=1.0) or 1.0
    step = _round_step(top / 5)
    height = _PLOT_BOTTOM - _TOP
    ticks = [step * index for index in range(math.ceil(top / step) + 1)]
    parts = []
    for tick in ticks:
        y = _PLOT_BOTTOM - height * tick / ticks[-1]
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_PLOT_RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{tick:g}", "end"))
    width = (_PLOT_RIGHT - _LEFT) / max(1, len(groups))
    bar_width = width * 0.8 / max(1, len(bars))
    for number, group in enumerate(groups):
        left = _LEFT + width * (number + 0.1)
        parts.append(_text(left + width * 0.4, _PLOT_BOTTOM + 20, group, "middle"))
        for index, bar in enumerate(bars):
            value = bar.values[number]
            if value is None:
                continue
            tall = height * value / ticks[-1]
            parts.append(
                f'<rect x="{left + bar_width * index:.1f}" y="{_PLOT_BOTTOM - tall:.1f}" width="{bar_width * 0.9:.1f}" '
                f'height="{tall:.1f}" fill="{COLOURS[index % len(COLOURS)]}"/>'
            )
    parts.append(_upright(y_title))
    return _picture(title, parts + _legend([bar.name for bar in bars]))


class _Scale:
    """A logarithmic axis between two pixels."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        self._start, self._stop = start, stop

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + share * (self._stop - self._start)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _axes(xs: _Scale, ys: _Scale, x_title: str, y_title: str) -> list[str]:
    parts = []
    for tick in xs.ticks():
        x = xs.place(tick)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{_PLOT_BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x, _PLOT_BOTTOM + 18, _short(tick), "middle"))
    for tick in ys.ticks():
        y = ys.place(tick)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_PLOT_RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y + 4, _short(tick), "end"))
    parts.append(_text((_LEFT + _PLOT_RIGHT) / 2, _HEIGHT - 14, x_title, "middle"))
    parts.append(_upright(y_title))
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for index, name in enumerate(names):
        y = _TOP + 10 + 24 * index
        parts.append(f'<rect x="{_PLOT_RIGHT + 20}" y="{y - 9}" width="14" height="10" fill="{COLOURS[index % 8]}"/>')
        parts.append(_text(_PLOT_RIGHT + 40, y, name, "start"))
    return parts


def _picture(title: str, parts: Sequence[str]) -> str:
    font = 'font-family="system-ui, sans-serif" font-size="12"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {font}>',
            f"<title>{escape(title)}</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            f'<text x="{_LEFT}" y="26" font-size="15" font-weight="600" fill="#222">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        )
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#444">{escape(text)}</text>'


def _upright(text: str) -> str:
    middle = (_TOP + _PLOT_BOTTOM) / 2
    return (
        f'<text x="18" y="{middle}" text-anchor="middle" fill="#444" transform="rotate(-90 18 {middle})">'
        f"{escape(text)}</text>"
    )


def _short(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= step)
