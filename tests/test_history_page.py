"""The page on the past of a database: its commands bring a dropped table back."""

import re
from pathlib import Path

from tests.pages import ROOT, blocks, free_ports, shell, steps

STEPS = steps((ROOT / "docs" / "history.md").read_text())


def test_a_table_that_was_dropped_comes_back(tmp_path: Path) -> None:
    with (
        free_ports(1) as (port,),
        shell(
            tmp_path, {"8001": port},
            SQLATCH_COPIES=str(tmp_path), SQLATCH_URL=f"http://127.0.0.1:{port}/shop/",
        ) as run,
    ):  # fmt: skip
        for block in [*blocks(STEPS["1"], "sh"), *blocks(STEPS["2"], "sh")]:
            run(block)
        found, counted = (run(block) for block in blocks(STEPS["3"], "sh"))
        restored, back = (run(block) for block in blocks(STEPS["4"], "sh"))
        taken, again = (run(block) for block in blocks(STEPS["5"], "sh"))

    assert re.findall("[0-9a-f]{16}", found) == [f"{number:016x}" for number in (5, 4, 3, 2, 1)]
    assert re.findall("[0-9]", counted) == ["3"]
    assert restored == "shop-before is shop as it was at position 0000000000000003\n"
    assert re.findall(r"(Ada|Bob)\W+(\w+)", back) == [
        ("Ada", "milk"), ("Bob", "salt"), ("Ada", "tea"),
    ]  # fmt: skip
    assert taken.splitlines()[-1] == "3"
    assert again == "shop-again has the states of replica, up to position 0000000000000006\n"
