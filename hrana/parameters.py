"""A statement's parameters: their names as the client wrote them, and the values they get."""

import re
from collections.abc import Mapping, Sequence

from hrana import values
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused
from hrana.script import QUOTED
from sqlatch.kernel.hints import did_you_mean
from sqlatch.kernel.values import Value
from sqlexec.plan import SPACE
from sqlexec.statement import Statement
from sqlexec.transaction import Names

_TOKEN = re.compile(
    rf"""{SPACE} | {QUOTED} | [\w\x80-\U0010ffff][\w$\x80-\U0010ffff]*+
    | (?P<parameter> \?[0-9]*+ | [$@\#:](?:[\w$\x80-\U0010ffff]|::)++(?:\([^)\s]*+\))? )
    | .""",
    re.VERBOSE | re.DOTALL,
)
_PREFIXES = ":@$"


def names_of(sql: str, bare: Names) -> Names:
    """The names with their prefixes (`:a`, `?3`), which apsw leaves out of its `bare` ones.

    SQLite numbers the parameters in the order of the text. Should what is read there not agree with
    the bare names, their prefix is `:`.
    """
    names: dict[int, str] = {}
    known: set[str] = set()
    last = 0
    for found in _TOKEN.finditer(sql):
        name = found["parameter"]
        if name is None or name in known:
            continue
        if name == "?":
            last += 1
            continue
        known.add(name)
        number = int(name[1:]) if name[0] == "?" else last + 1
        last = max(last, number)
        names.setdefault(number, name)
    numbered = [names.get(number) for number in range(1, last + 1)]
    agrees = [name and name[1:] for name in numbered] == list(bare)
    return numbered if agrees else [name and f":{name}" for name in bare]


class Arguments:
    """The values that a client gives for the parameters of a statement.

    `in_order` are those given without names, which fit if they are as many as the parameters;
    None if only the names of the parameters tell which value is whose. StatementRefused for a value
    that is none.
    """

    def __init__(self, sql: str, stmt: Stmt) -> None:
        self._sql = sql
        self._stmt = stmt
        self.in_order: Sequence[Value] | None = None
        if not stmt.named_args and stmt.arg_sets is None:
            self.in_order = [values.value_in(arg) for arg in stmt.args or ()]

    def bound(self, names: Names) -> Statement:
        """Return the statement with its values; StatementRefused if they do not fit.

        `names` are those of its parameters, without their prefixes.
        """
        sql, stmt = self._sql, self._stmt
        if stmt.arg_sets is None:
            return Statement(sql, bind(names_of(sql, names) if stmt.named_args else names, stmt))
        if stmt.args or stmt.named_args:
            raise StatementRefused("give `args` or `arg_sets`, not both", "ARGS_INVALID")
        sets = [bind(names, Stmt(args=args)) for args in stmt.arg_sets]
        return Statement(sql, parameter_sets=sets)


def bind(names: Names, stmt: Stmt) -> list[Value]:
    """Return the values of a statement in the order of its parameters."""
    args = [values.value_in(arg) for arg in stmt.args or ()]
    named = {arg.name: values.value_in(arg.value) for arg in stmt.named_args or ()}
    if len(args) > len(names):
        raise _arguments(f"the statement has {len(names)} parameters, {len(args)} were given")
    _check_known(names, named)
    bound = []
    for index, name in enumerate(names):
        if name is not None and name in named:
            bound.append(named[name])
        elif name is not None and name[1:] in named:
            bound.append(named[name[1:]])
        elif index < len(args):
            bound.append(args[index])
        else:
            raise _arguments(f"parameter {name or index + 1} was not given")
    return bound


def _check_known(names: Names, named: Mapping[str, Value]) -> None:
    known = {name for name in names if name is not None}
    for given in named:
        if given not in known and not any(f"{prefix}{given}" in known for prefix in _PREFIXES):
            raise _arguments(
                f"the statement has no parameter {given!r}{did_you_mean(given, known)}"
            )


def _arguments(why: str) -> StatementRefused:
    return StatementRefused(why, "ARGS_INVALID")
