"""docs/performance.md, from the results of a run."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmarks.figures import goals_line, number, verdict_word
from benchmarks.reasons import REASONS

HEAD = """# Performance

What the service costs beside bare SQLite and the tools that do the like, all measured in one run on one machine, in turn. Written by `make bench` from [benchmarks/results.json](../benchmarks/results.json); do not edit.

`sqlatch` is the service on database files in place, `sqlatch, log` the same service on logs in a directory (`SQLATCH_LOG=directory:`), and `sqlatch, table` on logs in DynamoDB and S3 (`SQLATCH_LOG=dynamodb:`). The floor is apsw doing the same statements on a warm connection, with the same journal mode and the same fsyncs. The peers keep the settings they come with. Of everything the median is given, the 99th percentile, and the ratio to the floor, which is what carries over to another machine. A goal that compares two subjects is judged on the ratios of blocks of samples taken in turn; where these disagree and do not lie within 5 % of each other, the experiment is run again, and at last the goal is not judged: the machine is too noisy. DynamoDB and S3 are a small server on the same machine that takes 0.1 ms of processor time for a call, one at a time, and answers as moto does (tested).

![Time or rate of each subject](performance.svg)
"""
"""One line a paragraph, as in the other documents."""

COUNTS = {
    "quick": "\nThis is a quick run, with few repetitions: `make bench` measures in earnest.\n",
    "tiny": "\nThis run only shows that the harness works; its figures mean nothing.\n",
}


def page(results: dict[str, Any]) -> str:
    """The page, in Markdown."""
    parts = [HEAD, COUNTS.get(results["counts"], ""), _goals(results), _machine(results)]
    measured = [table for table in results["tables"] if table["figures"]]
    for title, group in groupby(measured, lambda table: table.get("part_of", "")):
        tables = list(group)
        parts += [_wide_table(title, tables)] if title else map(_table, tables)
    return "".join(parts)


def _goals(results: dict[str, Any]) -> str:
    rows = [(table, goal) for table in results["tables"] for goal in table["goals"]]
    lines = [
        f"\n## Goals: {goals_line(results['tables'])}\n",
        "| what | goal | measured | limit | |",
        "|---|---|--:|--:|---|",
    ]
    lines += [
        f"| {table['title']} ({table['unit']}) | {goal['text']} | {number(goal['value'])}"
        f" | {number(goal['limit'])} | {verdict_word(goal)} |"
        for table, goal in rows
    ]
    return "\n".join(lines) + "\n"


def _machine(results: dict[str, Any]) -> str:
    machine = dict(results["machine"])
    packages = machine.pop("packages")
    lines = ["\n## Where and when\n", f"- from {results['began']} to {results['ended']}"]
    loads = (" ".join(map(str, results["load"][when])) for when in ("before", "after"))
    lines.append("- load average before: {}; after: {}".format(*loads))
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines.append("- " + ", ".join(f"{name} {value}" for name, value in packages.items()))
    return "\n".join(lines) + "\n"


def _table(table: dict[str, Any]) -> str:
    lines = [f"\n## {table['title']}\n"]
    if table["note"]:
        lines.append(table["note"] + "\n")
    is_missed = any(goal["reached"] is False for goal in table["goals"])
    if is_missed and table["key"] in REASONS:
        lines.append(f"What stands against the goal: {REASONS[table['key']]}\n")
    lines += [
        f"| | median, {table['unit']} | p99 | ratio | samples |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {figure['subject']} | {number(figure['median'])} | {number(figure['p99'])}"
        f" | {number(figure['ratio'])} | {figure['samples']} |"
        for figure in table["figures"]
    ]
    return "\n".join(lines) + "\n"


def _wide_table(title: str, tables: Sequence[dict[str, Any]]) -> str:
    """One table with a column for each."""
    lines = [f"\n## {title}\n"]
    lines += [table["note"] + "\n" for table in tables if table["note"]]
    lines.append(
        "| | " + " | ".join(f"{table['title']}, {table['unit']}" for table in tables) + " |"
    )
    lines.append("|---" + "|--:" * len(tables) + "|")
    columns = [
        {figure["subject"]: number(figure["median"]) for figure in table["figures"]}
        for table in tables
    ]
    lines += [
        f"| {subject} | " + " | ".join(column.get(subject, "-") for column in columns) + " |"
        for subject in columns[0]
    ]
    return "\n".join(lines) + "\n"
