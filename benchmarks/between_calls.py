"""The floor of a write under a lease: bare apsw between two bare calls to DynamoDB."""

from pathlib import Path

from benchmarks.bare import REFUSALS, Bare
from benchmarks.data import FILE
from benchmarks.table_names import FLOOR_TABLE
from sqlatch.kernel.aws.dynamodb import DynamoDB

__all__ = ["REFUSALS", "BetweenCalls", "open_subject"]


class BetweenCalls(Bare):
    """An UpdateItem, the write, an UpdateItem."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._client = DynamoDB()

    def write(self, number: int) -> None:
        self._call(number)
        super().write(number)
        self._call(number)

    def close(self) -> None:
        super().close()
        self._client.close()

    def _call(self, number: int) -> None:
        self._client.update_item(
            TableName=FLOOR_TABLE,
            Key={"pk": {"S": "floor"}},
            UpdateExpression="SET lock_id = :lock_id",
            ExpressionAttributeValues={":lock_id": {"N": str(number)}},
        )


def open_subject(directory: Path) -> BetweenCalls:
    return BetweenCalls(directory / FILE)
