"""The plan of a statement: what it does and its parameters, as SQLite says on preparing it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from sys import getsizeof

from sqlatch.kernel.errors import Fact, ForbiddenStatement, SqlatchError, StatementError
from sqlatch.kernel.hints import did_you_mean
from sqlatch.kernel.values import Parameters
from sqlexec.statement import Kind, Statement
from storage.connection import Cursor, Session
from storage.translate import NoStatement, SeveralStatements

PLANS_BYTES_MAX = 2 * 1024 * 1024
PLAN_BYTES_MAX = 64 * 1024
"""A plan counts with its text and the names of its parameters; a larger one is not kept."""

SPACE = r"(?>[\s\ufeff]++|--[^\n]*+|/\*.*?(?:\*/|\Z))"
"""Space and comments. Atomic: else a text of many comments would take for ever to be refused."""

_VACUUM = re.compile(
    rf"""(?:{SPACE}|;)*+ VACUUM (?P<whole> {SPACE}*+
    (?: (?!INTO\b)[\w$]++ | "[^"]*+" | '[^']*+' | `[^`]*+` | \[[^\]]*+\] )?+
    (?:{SPACE}|;)*+ \Z )?""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""A text that SQLite has prepared: its first word, and the schema's name if there is one. What
follows those is INTO."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The effect of one SQL text, and the names of its parameters (None is a `?`).

    `inspects` says that SQLite would answer from the schema that a connection knows, without
    checking that it is current: a PRAGMA, or an EXPLAIN. `returns` says that there are columns.
    """

    kind: Kind
    names: tuple[str | None, ...]
    defines: bool = False
    changes: bool = False
    inserts: bool = False
    inspects: bool = False
    returns: bool = False


class Plans:
    """The plans of the texts seen lately.

    What a text does hangs on no database and no schema (only whether it can be prepared does), so
    one memory serves all. If it were wrong, nothing would be: a read runs where nothing can be
    written, and a needless lease costs two calls.
    """

    def __init__(self) -> None:
        self._known: dict[str, Plan] = {}
        self._bytes = 0

    def kind(self, statements: Sequence[Statement], session: Session | None = None) -> Kind | None:
        """Return what the statements do together, their values checked.

        The first that writes settles it: those behind it may need what it makes, so they are
        looked at when they run. Without a session to prepare on, None if a text is not known.
        """
        for index, statement in enumerate(statements):
            if session is None and statement.sql not in self._known:
                return None
            try:
                kind = self.of(statement, session).kind
                if kind is Kind.VACUUM and len(statements) > 1:
                    raise ForbiddenStatement("not allowed here: VACUUM runs alone")
            except SqlatchError as error:
                if len(statements) > 1:
                    error.facts["statement"] = index
                raise
            if kind is not Kind.READ:
                return kind
        return Kind.READ

    def of(self, statement: Statement, session: Session | None) -> Plan:
        """The plan of a statement, its values seen to fit; StatementError or ForbiddenStatement."""
        plan = self._known.get(statement.sql) or self.look(statement.sql, session)
        if statement.parameter_sets is None:
            check_fit(statement.parameters or (), plan.names, "")
        else:
            _check_sets(statement.parameter_sets, plan.names)
        return plan

    def look(self, sql: str, session: Session | None) -> Plan:
        """The plan of a text, whatever its values will be."""
        plan = self._known.get(sql)
        if plan is None:
            assert session is not None, "a text that is not known is prepared on a connection"
            plan = _prepare(sql, session)
            self._keep(sql, plan)
        return plan

    def is_known_to_write(self, sql: str) -> bool:
        """Return True if the text was seen before, and is one that writes."""
        plan = self._known.get(sql)
        return plan is not None and plan.kind is Kind.WRITE

    def turns_out_to_write(self, statement: Statement) -> None:
        """Correct a plan: REINDEX and PRAGMA optimize call themselves read-only, and are not."""
        if plan := self._known.get(statement.sql):
            self._known[statement.sql] = replace(plan, kind=Kind.WRITE)

    def _keep(self, sql: str, plan: Plan) -> None:
        size_bytes = _size_bytes(sql, plan)
        if size_bytes > PLAN_BYTES_MAX:
            return
        if self._bytes + size_bytes > PLANS_BYTES_MAX:
            self._known.clear()
            self._bytes = 0
        self._bytes += size_bytes
        self._known[sql] = plan


@dataclass(frozen=True, slots=True)
class Description:
    """The description of a statement that was not run: (name, declared type) of each column."""

    columns: tuple[tuple[str, str | None], ...] = ()
    is_explain: bool = False


def description(sql: str, session: Session, *, has_run: bool) -> Description:
    """A statement by the schema as it is; one that `has_run` just now is prepared by that."""
    found = Description()

    def look(cursor: Cursor, _sql: str, _values: object) -> bool:
        nonlocal found
        found = Description(tuple(cursor.get_description()), bool(cursor.is_explain))
        return False

    session.prepare(sql, look, can_cache=has_run)
    return found


def _prepare(sql: str, session: Session) -> Plan:
    kind = Kind.READ
    names: tuple[str | None, ...] = ()
    rest = ""
    is_explain = returns = False

    def look(cursor: Cursor, prepared: str, _values: object) -> bool:
        nonlocal kind, names, rest, is_explain, returns
        if not cursor.has_vdbe:
            raise NoStatement
        names = tuple(cursor.bindings_names)
        rest = sql[len(prepared) :]
        is_explain = bool(cursor.is_explain)
        returns = bool(cursor.description)
        if not (cursor.is_readonly or is_explain):
            kind = Kind.WRITE
        return False

    # SQLite asks the authorizer when it prepares, so not of a statement that is kept.
    session.prepare(sql, look, can_cache=False)
    defines, changes = session.defines, session.changes
    inserts, inspects = session.inserts, session.inspects or is_explain
    if rest.strip():
        session.prepare(rest, _refuse_second, can_cache=False)
    if kind is Kind.WRITE and _is_vacuum(sql):
        kind = Kind.VACUUM
    changes = changes and kind is Kind.WRITE
    return Plan(kind, names, defines, changes, inserts, inspects, returns)


def _size_bytes(sql: str, plan: Plan) -> int:
    return (
        getsizeof(sql) + getsizeof(plan) + getsizeof(plan.names) + sum(map(getsizeof, plan.names))
    )


def _refuse_second(cursor: Cursor, _sql: str, _values: object) -> bool:
    if cursor.has_vdbe:
        raise SeveralStatements
    return False


def _is_vacuum(sql: str) -> bool:
    """VACUUM is the one write that the authorizer is never asked about: its first word tells."""
    found = _VACUUM.match(sql)
    if found and found["whole"] is None:
        raise ForbiddenStatement("not allowed here: VACUUM INTO writes another file")
    return found is not None


def _check_sets(sets: Sequence[Parameters], names: tuple[str | None, ...]) -> None:
    if not _are_lists_of(len(names), sets):
        for number, parameters in enumerate(sets):
            check_fit(parameters, names, f"parameter_sets[{number}]: ", parameter_set=number)


def _are_lists_of(length: int, sets: Sequence[Parameters]) -> bool:
    return set(map(type, sets)) == {list} and set(map(len, sets)) == {length}


def check_fit(
    parameters: Parameters, names: tuple[str | None, ...], where: str, **facts: Fact
) -> None:
    """StatementError if values do not fit the parameters of these names."""
    if isinstance(parameters, list) or not isinstance(parameters, Mapping):
        if len(parameters) != len(names):
            raise StatementError(
                f"{where}the statement has {len(names)} parameters, {len(parameters)} were given",
                **facts,
            )
        return
    if None in names:
        raise StatementError(
            f"{where}parameter {names.index(None) + 1} is a ?, which has no name: give a list of"
            " values",
            **facts,
        )
    for given in parameters:
        if given not in names:
            hint = did_you_mean(given, [name for name in names if name is not None])
            raise StatementError(f"{where}the statement has no parameter {given!r}{hint}", **facts)
    for wanted in names:
        if wanted not in parameters:
            raise StatementError(f"{where}the parameter {wanted!r} was not given", **facts)
