"""`litestream restore`, a program that is not ours, reads a database from the bucket of its log."""

import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from storage.log import compaction
from storage.log.cloud import InTable
from storage.log.slots import Slot
from tests.storage.log.clouds import Cloud
from tests.storage.log.test_cloud import opened, write

LITESTREAM = Path(sys.executable).with_name("litestream")

pytestmark = pytest.mark.parametrize("cloud", ["moto"], indirect=True)


def restored(cloud: Cloud, url: str, copy: Path, *options: str) -> list[int]:
    """Return the rows of a database as Litestream restores it, by its own calls to S3."""
    copy.unlink(missing_ok=True)
    place = f"s3://{cloud.table.name}/logs/main?endpoint={url}&forcePathStyle=true&region=us-east-1"
    command = [str(LITESTREAM), "restore", "-o", str(copy), *options, place]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with closing(apsw.Connection(str(copy))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [n for (n,) in connection.execute("SELECT n FROM t ORDER BY rowid")]


def test_what_the_reaper_wrote_into_the_bucket_is_restored(
    cloud: Cloud, moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every state that a pass merged: by number, by time, behind snapshots and merged levels."""
    monkeypatch.setattr(compaction, "FILES_OF_A_LEVEL_MAX", 3)
    engine = InTable(cloud.table, cloud.objects, Slot("cloud", tmp_path / "copies"))
    copy = tmp_path / "restored.db"
    merged: dict[int, list[int]] = {}
    with opened(engine) as store:
        write(store, "CREATE TABLE t (n)")
        for number in range(8):
            for n in (2 * number, 2 * number + 1):
                position = write(store, f"INSERT INTO t VALUES ({n})")
            merged[position] = list(range(2 * number + 2))
            if number == 5:
                monkeypatch.setattr(compaction, "SNAPSHOT_AGE_MAX_S", 0)
            engine.tend("main", time.time() + 30)
            monkeypatch.setattr(compaction, "SNAPSHOT_AGE_MAX_S", compaction.DAY_S)
            if number == 3:
                time.sleep(0.01)
                between = datetime.now(UTC)
                time.sleep(1.01)  # the list of a bucket has whole seconds

    levels = [each.key.split("/")[1] for each in cloud.objects.list("main/")]
    assert (levels.count("0009"), "0001" in levels, "0002" in levels) == (2, True, True)
    assert restored(cloud, moto_url, copy) == merged[position]
    for txid in list(merged)[1::4]:
        assert restored(cloud, moto_url, copy, "-txid", f"{txid:016x}") == merged[txid]
    at = between.isoformat().replace("+00:00", "Z")
    assert restored(cloud, moto_url, copy, "-timestamp", at) == list(range(8))
