"""DynamoDB's conditions and updates, as far as locks use them: parsed once, applied to items."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

Item = dict[str, dict[str, str]]
Value = dict[str, str]
Names = dict[str, Any]
"""The meaning of placeholders: `#name` is an attribute, `:value` a value."""

Condition = Callable[[Item, Names], bool]
Operand = Callable[[Item, Names], Value | None]
Update = Callable[[Item, Item, Names], None]
"""Changes an item, given how it was before."""

TOKEN = re.compile(r"<>|<=|>=|[()=<>,+-]|[#:]?\w+")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


@cache
def condition(text: str) -> Condition:
    """Return whether an item meets a ConditionExpression."""
    return _Parser(text).any_of()


@cache
def update(text: str) -> Update:
    """Return the steps of an UpdateExpression on an item."""
    steps = _Parser(text).steps()

    def apply(item: Item, before: Item, names: Names) -> None:
        for step in steps:
            step(item, before, names)

    return apply


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)

    def any_of(self) -> Condition:
        terms = [self._all_of()]
        while self._comes("OR"):
            terms.append(self._all_of())
        return lambda item, names: any(term(item, names) for term in terms)

    def steps(self) -> list[Update]:
        steps = []
        while self._tokens:
            verb = self._next()
            parse = {"SET": self._assignment, "REMOVE": self._removal}[verb]
            steps.append(parse())
            while self._comes(","):
                steps.append(parse())
        return steps

    def _all_of(self) -> Condition:
        terms = [self._term()]
        while self._comes("AND"):
            terms.append(self._term())
        return lambda item, names: all(term(item, names) for term in terms)

    def _term(self) -> Condition:
        if self._comes("NOT"):
            term = self._term()
            return lambda item, names: not term(item, names)
        if self._comes("("):
            inner = self.any_of()
            self._expect(")")
            return inner
        if self._tokens[0] in {"attribute_exists", "attribute_not_exists"}:
            wanted = self._next() == "attribute_exists"
            self._expect("(")
            name = self._next()
            self._expect(")")
            return lambda item, names: (_attribute(name, names) in item) is wanted
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._operand()
        compare = COMPARISONS[self._next()]
        right = self._operand()

        def holds(item: Item, names: Names) -> bool:
            first, second = left(item, names), right(item, names)
            return first is not None and second is not None and compare(_key(first), _key(second))

        return holds

    def _assignment(self) -> Update:
        name = self._next()
        self._expect("=")
        value = self._operand()
        plus = self._operand() if self._comes("+") else None

        def assign(item: Item, before: Item, names: Names) -> None:
            found = value(before, names)
            added = plus(before, names) if plus else None
            assert found is not None, f"{name} is set to an attribute that is not there"
            if added is not None:
                found = {"N": str(Decimal(found["N"]) + Decimal(added["N"]))}
            item[_attribute(name, names)] = found

        return assign

    def _removal(self) -> Update:
        name = self._next()

        def remove(item: Item, _before: Item, names: Names) -> None:
            item.pop(_attribute(name, names), None)

        return remove

    def _operand(self) -> Operand:
        token = self._next()
        if token == "if_not_exists":
            self._expect("(")
            name = self._next()
            self._expect(",")
            otherwise = self._operand()
            self._expect(")")
            return lambda item, names: item.get(_attribute(name, names)) or otherwise(item, names)
        if token.startswith(":"):
            return lambda _item, names: names[token]
        return lambda item, names: item.get(_attribute(token, names))

    def _next(self) -> str:
        return str(self._tokens.pop(0))

    def _comes(self, token: str) -> bool:
        comes = bool(self._tokens) and self._tokens[0] == token
        if comes:
            self._tokens.pop(0)
        return comes

    def _expect(self, token: str) -> None:
        found = self._next()
        assert found == token, f"{found} stands where {token} has to"


def _attribute(name: str, names: Names) -> str:
    return str(names[name]) if name.startswith("#") else name


def _key(value: Value) -> Decimal | str:
    return Decimal(value["N"]) if "N" in value else value["S"]
