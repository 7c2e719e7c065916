"""docs/performance.svg, from the results of a run: bars, a panel for each table that is plotted."""

from typing import Any
from xml.sax.saxutils import escape

from benchmarks.figures import number

WIDTH = 860
LABEL_WIDTH = 250
VALUE_WIDTH = 150
BAR_HEIGHT = 18
BAR_STEP = 24
PANEL_HEAD = 34
MARGIN = 16

INK = "#24292f"
FAINT = "#6e7781"
FLOOR = "#8c959f"
OURS = "#1f6feb"
OTHERS = "#c9a227"
PAPER = "#ffffff"


def plot(results: dict[str, Any]) -> str:
    """The picture, in SVG. Within a panel the lengths are to scale, and begin at 0."""
    panels = [table for table in results["tables"] if table["plotted"] and table["figures"]]
    parts: list[str] = []
    top = MARGIN
    for table in panels:
        parts += _panel(table, top)
        top += PANEL_HEAD + BAR_STEP * len(table["figures"]) + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}"'
        f' font-family="sans-serif" font-size="13" role="img">'
    )
    title = "<title>What the service costs beside bare SQLite and its peers</title>"
    paper = f'<rect width="{WIDTH}" height="{top}" fill="{PAPER}"/>'
    return "\n".join([head, title, paper, *parts, "</svg>"]) + "\n"


def _panel(table: dict[str, Any], top: int) -> list[str]:
    largest = max(figure["median"] for figure in table["figures"]) or 1
    heading = f"{table['title']} ({table['unit']})"
    parts = [_text(MARGIN, top + 18, heading, INK, bold=True)]
    for number_of_bar, figure in enumerate(table["figures"]):
        y = top + PANEL_HEAD + BAR_STEP * number_of_bar
        parts += _bar(figure, figure["median"] / largest, y, _colour(figure, table["floor"]))
    return parts


def _bar(figure: dict[str, Any], share: float, y: int, colour: str) -> list[str]:
    width = max(1, round(share * (WIDTH - LABEL_WIDTH - VALUE_WIDTH - MARGIN)))
    value = number(figure["median"])
    if figure["ratio"] is not None:
        value += f"  ({number(figure['ratio'])} x)"
    return [
        _text(LABEL_WIDTH - 8, y + 13, figure["subject"], INK, anchor="end"),
        f'<rect x="{LABEL_WIDTH}" y="{y}" width="{width}" height="{BAR_HEIGHT}" fill="{colour}"/>',
        _text(LABEL_WIDTH + width + 6, y + 13, value, FAINT),
    ]


def _colour(figure: dict[str, Any], floor: str) -> str:
    if figure["subject"] == floor or figure["subject"].startswith("bare"):
        return FLOOR
    return OURS if figure["subject"].startswith("sqlatch") else OTHERS


def _text(
    x: int, y: int, text: str, colour: str, *, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}"{weight}>{escape(text)}</text>'
