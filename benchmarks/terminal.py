"""A run's tables on the terminal, each with its goals and whether they were reached."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.figures import goals_line, number, verdict_word

STYLES = {
    "reached": "green",
    "MISSED": "bold red",
    "not measured": "yellow",
    "too noisy to judge": "yellow",
}


def show(console: Console, table: dict[str, Any]) -> None:
    """One table and its goals."""
    if not table["figures"]:
        console.print(f"[bold]{escape(table['title'])}[/]: not measured\n")
        return
    shown = Table(title=f"{table['title']} ({table['unit']})", title_justify="left")
    shown.add_column("subject")
    for heading in ("median", "p99", "ratio", "samples"):
        shown.add_column(heading, justify="right")
    for figure in table["figures"]:
        shown.add_row(
            figure["subject"],
            number(figure["median"]),
            number(figure["p99"]),
            number(figure["ratio"]),
            str(figure["samples"]),
        )
    console.print(shown)
    for goal in table["goals"]:
        word = verdict_word(goal)
        console.print(f"  [{STYLES[word]}]{word}[/]  {escape(goal['text'])}{_figures(goal)}")
    console.print()


def show_sum(console: Console, tables: list[dict[str, Any]]) -> None:
    """Print how many goals were reached, and which were not."""
    goals = [(table, goal) for table in tables for goal in table["goals"]]
    console.rule(f"Goals: {goals_line(tables)}")
    for table, goal in goals:
        if goal["reached"] is not True:
            word = verdict_word(goal)
            text = f"{table['title']}: {goal['text']}{_figures(goal)}"
            console.print(f"[{STYLES[word]}]{word}[/]  {escape(text)}")


def _figures(goal: dict[str, Any]) -> str:
    if goal["value"] is None:
        return ""
    return f" ({number(goal['value'])}, limit {number(goal['limit'])})"
