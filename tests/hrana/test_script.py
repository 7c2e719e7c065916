"""A script is cut where SQLite cuts it: at semicolons that end a statement."""

import pytest

from hrana.script import statements

TRIGGER = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET n = 1; DELETE FROM b; END;"
SCRIPTS = {
    "SELECT 1; SELECT 2": ["SELECT 1;", " SELECT 2"],
    "SELECT 1;": ["SELECT 1;", ""],
    "": [""],
    "SELECT ';' || \";\" || `;` || [;]; x": ["SELECT ';' || \";\" || `;` || [;];", " x"],
    "SELECT 'it''s;'; x": ["SELECT 'it''s;';", " x"],
    "SELECT 1 -- no; end\n; x": ["SELECT 1 -- no; end\n;", " x"],
    "SELECT /* ; */ 1; x": ["SELECT /* ; */ 1;", " x"],
    "SELECT 'left open; x": ["SELECT 'left open; x"],
    f"{TRIGGER} SELECT 1": [TRIGGER, " SELECT 1"],
    f"EXPLAIN {TRIGGER}x": [f"EXPLAIN {TRIGGER}", "x"],
    TRIGGER.replace("CREATE", "create temp"): [TRIGGER.replace("CREATE", "create temp"), ""],
    "CREATE TABLE trigger_ (n); x": ["CREATE TABLE trigger_ (n);", " x"],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_cut_at_the_end_of_each_statement(script: str) -> None:
    assert list(statements(script)) == SCRIPTS[script]


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_character_of_a_script_is_lost(script: str) -> None:
    assert "".join(statements(script)) == script
