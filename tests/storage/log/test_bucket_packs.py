"""Packs as objects of S3."""

from pathlib import Path

from storage.log.bucket_packs import BucketPacks
from tests.storage.log import histories
from tests.storage.log.clouds import Cloud


def test_packs_are_kept_read_and_deleted(cloud: Cloud, tmp_path: Path) -> None:
    history = histories.begun(tmp_path / "main.db")
    history.fill(10)
    history.fill(10)
    packs = BucketPacks(cloud.objects, Path("main/history"))
    packs.keep(history.records[:1])
    packs.keep(history.records[1:])
    packs.keep(history.records[1:])

    first, second = packs.all()
    assert [record.txid for record in (*packs.read(first), *packs.read(second))] == [1, 2, 3]
    assert packs.read(second)[0].content == history.records[1]

    packs.delete_before(history.at_ms(2) / 1000)
    assert packs.all() == [second]
    assert packs.read(first) == []
