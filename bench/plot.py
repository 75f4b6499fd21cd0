"""The results as a picture for the README: bars, ours highlighted, as handwritten SVG.

Only benchmarks with peers are drawn. The picture follows the reader's light or dark theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]

WIDTH = 860
LEFT = 230
"""Where the bars begin; names stand to the left."""
RIGHT = 620
"""Where the longest bar ends; values stand to the right."""
ROW = 24
BAR = 14
TITLE = 34
GAP = 22
FOOT = 40

TITLES = {
    "hops-rabbitmq": "Both hops over RabbitMQ, payments/s",
    "hops-embedded": "Both hops without a broker to install, payments/s",
    "intake-rabbitmq": "HTTP intake, 202 after RabbitMQ's confirm, requests/s",
    "intake-embedded": "HTTP intake, 202 after the commit to a file, requests/s",
    "mail": "E-mails to an SMTP server that answers at once, mails/s",
    "mail-waiting": "E-mails to an SMTP server that takes 10 ms for each, mails/s",
}

STYLE = """
    text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
    .title { font-weight: 600; font-size: 14px }
    .name { text-anchor: end }
    .faint { fill: #656d76; font-size: 12px }
    .strong { font-weight: 600 }
    .peer { fill: #b6bec8 } .ours { fill: #0969da } .limit { fill: none; stroke: #656d76; stroke-dasharray: 4 3 }
    .spread { stroke: #1f2328; stroke-width: 1.2 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .faint { fill: #8d96a0 } .peer { fill: #4b545f } .ours { fill: #4493f8 }
      .limit { stroke: #8d96a0 } .spread { stroke: #e6edf3 }
    }
"""


def write(file: Path, results: Mapping[str, Result]) -> bool:
    """Draw those benchmarks that have a title and results. Writes no file, and returns False, if there are none."""
    panels = [(title, drawn) for name, title in TITLES.items() if (drawn := _drawn(results.get(name)))]
    if panels:
        machine = next(iter(results.values()))["machine"]
        file.write_text(_picture(panels, machine))
    return bool(panels)


def _drawn(result: Result | None) -> list[Result]:
    """The contenders that have a figure, with everything that a bar shows."""
    if result is None:
        return []
    metric = result["compared_by"]
    bars: list[Result] = [
        {
            "name": contender["name"],
            "median": contender[metric]["median"],
            "least": min(contender[metric]["runs"]),
            "greatest": max(contender[metric]["runs"]),
            "kind": _kind(result, contender["name"]),
            "ours_is": contender.get("ours_is"),
        }
        for contender in result["contenders"]
        if metric in contender
    ]
    return bars if any(bar["kind"] == "peer" for bar in bars) else []


def _kind(result: Result, name: str) -> str:
    limit = result["limit"]
    if limit and name.startswith(limit):
        return "limit"
    return "ours" if name.startswith("runner") else "peer"


def _picture(panels: Sequence[tuple[str, Sequence[Result]]], machine: Result) -> str:
    parts: list[str] = []
    top = 0
    for title, bars in panels:
        parts += _panel(title, bars, top)
        top += TITLE + ROW * len(bars) + GAP
    parts.append(_text(0, top + 12, _caption(machine), "faint"))
    parts.append(_text(0, top + 30, "Bars are medians, thin lines the least and the greatest run.", "faint"))
    height = top + FOOT
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' role="img" aria-label="Benchmark results">\n  <style>{STYLE}  </style>\n{body}\n</svg>\n'
    )


def _caption(machine: Result) -> str:
    return (
        f"{machine['processor']}, {machine['cores']} cores for everything, Python {machine['python']}; "
        "ratios hold elsewhere, figures don't."
    )


def _panel(title: str, bars: Sequence[Result], top: int) -> list[str]:
    scale = (RIGHT - LEFT) / max(bar["greatest"] for bar in bars)
    parts = [_text(0, top + 18, title, "title")]
    for index, bar in enumerate(bars):
        parts += _bar(bar, top + TITLE + ROW * index, scale)
    return parts


def _bar(bar: Result, top: int, scale: float) -> list[str]:
    middle = top + BAR / 2
    strong = " strong" if bar["kind"] == "ours" else ""
    ends = [LEFT + bar[end] * scale for end in ("least", "greatest")]
    width = max(1.0, bar["median"] * scale)
    parts = [
        _text(LEFT - 10, middle + 4.5, bar["name"], f"name{strong}"),
        f'<rect class="{bar["kind"]}" x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>',
    ]
    if ends[1] - ends[0] > 1:
        parts.append(f'<path class="spread" d="M{ends[0]:.1f} {middle:.1f} H{ends[1]:.1f}"/>')
    parts.append(_text(max(ends) + 10, middle + 4.5, f"{bar['median']:,.0f}", strong.strip()))
    if bar["kind"] == "peer" and bar["ours_is"]:
        parts.append(_text(WIDTH - 130, middle + 4.5, f"ours is {bar['ours_is']:.1f} ×", "faint"))
    return parts


def _text(x: float, y: float, text: str, css: str = "") -> str:
    kind = f' class="{css}"' if css else ""
    return f'<text x="{x:.0f}" y="{y:.1f}"{kind}>{escape(text)}</text>'
