"""The packs of a database as objects of S3, below the prefix of the database."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from storage.log.objects import Objects, answered_in_time
from storage.log.pack import Packed, PackFile, Packs, decode, encode, pack_at, pack_of


class BucketPacks(Packs):
    """See `Packs`: objects below the prefix of the database."""

    def __init__(self, objects: Objects, directory: Path) -> None:
        super().__init__(directory)
        self._objects = objects

    def all(self) -> list[PackFile]:
        listed = answered_in_time(lambda: list(self._objects.list(f"{self._directory}/")))
        return [pack_at(Path(each.key)) for each in listed]

    def keep(self, records: Sequence[bytes]) -> None:
        pack = pack_of(self._directory, records)
        content = encode(records)
        answered_in_time(lambda: self._objects.put_new(str(pack.path), content, {}))

    def read(self, pack: PackFile) -> list[Packed]:
        content = answered_in_time(lambda: self._objects.get(str(pack.path)))
        return [] if content is None else decode(content, pack.first)

    def _delete(self, pack: PackFile) -> None:
        answered_in_time(partial(self._objects.delete, str(pack.path)))
