"""The measurement of the first query runs the page's own commands."""

from benchmarks.first_query import commands


def test_it_installs_serves_and_asks_as_the_page_does() -> None:
    install, serve, ask = commands()

    assert "pip install" in install
    assert "../sqlatch/dist/" in install
    assert serve == "sqlatch serve\n"
    assert ask.startswith(". .venv/bin/activate\nexport SQLATCH_URL=")
