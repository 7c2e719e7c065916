"""The page on nodes: two that share a log and one that follows them, as its commands have it."""

from pathlib import Path

from tests.pages import ROOT, blocks, free_ports, shell

PAGE = (ROOT / "docs" / "nodes.md").read_text()
TRIED = PAGE.split("## Try it on one machine")[1]


def test_what_is_written_at_any_node_is_read_at_each(tmp_path: Path) -> None:
    with (
        free_ports(3) as ports,
        shell(
            tmp_path, dict(zip(("8001", "8002", "8003"), ports, strict=True)),
            SQLATCH_COPIES=str(tmp_path),
        ) as run,
    ):  # fmt: skip
        said = [run(block) for block in blocks(TRIED, "sh")][-1]

    assert said.count("sent on") == 2
    assert any(f"\nhttp://127.0.0.1:{port} leads, term 1," in said for port in ports[:2])
