"""The page on replicas: its Python, run from top to bottom against a leader."""

import re
from pathlib import Path

import pytest

from tests.sqlatch.leaders import leading
from tests.writers import ROOT

PAGE = (ROOT / "docs" / "replicas.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with leading(tmp_path) as leader:
        code = "\n".join(BLOCKS).replace("http://127.0.0.1:8000", leader.url)
        exec(code, {"token": leader.token("main")})

    assert (tmp_path / "copies").is_dir()
