"""Reads a CloudFormation template as plain data, short tags (`!Ref`, `!Sub`) in their long form.

    python -m tests.cloudformation DIRECTORY    writes the templates there, as each engine has them

That is for checkov, which passes over a policy that has an `!If` among its statements, and over
resources whose condition does not hold with the defaults.
"""

import json
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


class Loader(yaml.CSafeLoader):
    """A safe loader, libyaml's, that knows CloudFormation's tags."""


def load(path: str) -> dict[str, Any]:
    template: dict[str, Any] = pickle.loads(_parsed(path))
    return template


@cache
def _parsed(path: str) -> bytes:
    """Return a template that each caller unpickles for itself, in a tenth of the time."""
    return pickle.dumps(yaml.load((ROOT / path).read_text(), Loader))


def _intrinsic(loader: Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    text = str(loader.construct_scalar(node)) if isinstance(node, yaml.ScalarNode) else ""
    return {name: text.split(".", 1) if tag == "GetAtt" else text}


Loader.add_multi_constructor("!", _intrinsic)


def given(template: dict[str, Any], **choice: Any) -> dict[str, Any]:
    """All parameters of a template: the choice, and for the others the default."""
    return {name: one.get("Default", "x") for name, one in template["Parameters"].items()} | choice


ABSENT = object()
"""What AWS::NoValue stands for: the property is not there."""


def rendered(part: Any, template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """A part of a template as CloudFormation renders it; what it cannot know stays a text."""
    if isinstance(part, list):
        each = [rendered(one, template, parameters) for one in part]
        return [one for one in each if one is not ABSENT]
    if not isinstance(part, dict):
        return part
    if len(part) == 1:
        ((name, given),) = part.items()
        if name == "Fn::If":
            holds = rendered(template["Conditions"][given[0]], template, parameters)
            return rendered(given[1 if holds else 2], template, parameters)
        if name in ("Ref", "Fn::Sub"):
            named = _referred if name == "Ref" else _substituted
            return named(given, template, parameters)
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](rendered(given, template, parameters))
    each_named = {name: rendered(one, template, parameters) for name, one in part.items()}
    return {name: one for name, one in each_named.items() if one is not ABSENT}


def _referred(given: str, _template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    return ABSENT if given == "AWS::NoValue" else parameters.get(given, f"<{given}>")


def _substituted(
    given: str | list[Any], template: dict[str, Any], parameters: dict[str, Any]
) -> str:
    text, own = (given, {}) if isinstance(given, str) else given
    values = {**parameters, **rendered(own, template, parameters)}
    return _VARIABLE.sub(lambda found: str(values.get(found[1], f"<{found[1]}>")), text)


def decided(part: Any, template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """A part of a template without its conditions; all else stays as it is written."""
    if isinstance(part, list):
        each = [decided(one, template, parameters) for one in part]
        return [one for one in each if one != NO_VALUE]
    if not isinstance(part, dict):
        return part
    if "Fn::If" in part:
        condition, chosen, other = part["Fn::If"]
        holds = rendered(template["Conditions"][condition], template, parameters)
        return decided(chosen if holds else other, template, parameters)
    each_named = {name: decided(one, template, parameters) for name, one in part.items()}
    return {name: one for name, one in each_named.items() if one != NO_VALUE}


NO_VALUE = {"Ref": "AWS::NoValue"}


def exists(part: dict[str, Any], template: dict[str, Any], parameters: dict[str, Any]) -> bool:
    """Return whether the condition of a resource or an output holds; true if it has none."""
    named = part.get("Condition")
    return named is None or bool(rendered(template["Conditions"][named], template, parameters))


def references(part: Any, template: dict[str, Any], parameters: dict[str, Any]) -> Iterator[str]:
    """Return the names that a part refers to in the branches that the conditions choose."""
    if isinstance(part, list):
        for one in part:
            yield from references(one, template, parameters)
    if not isinstance(part, dict):
        return
    for name, given in part.items():
        if name == "Fn::If":
            holds = rendered(template["Conditions"][given[0]], template, parameters)
            yield from references(given[1 if holds else 2], template, parameters)
            continue
        if name == "Ref":
            yield given.removesuffix(".Alias").removesuffix(".Version")  # which SAM makes
        elif name == "Fn::GetAtt":
            yield given[0]
        elif name == "DependsOn":
            yield from given
        elif name == "Fn::Sub":
            text, own = (given, {}) if isinstance(given, str) else given
            yield from (one for one in _SUBSTITUTED.findall(text) if one not in own)
        yield from references(given, template, parameters)


_VARIABLE = re.compile(r"\$\{([^!}]+)\}")
_SUBSTITUTED = re.compile(r"\$\{([^!.}][^.}]*)")

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Fn::Equals": lambda given: given[0] == given[1],
    "Fn::Not": lambda given: not given[0],
    "Fn::And": all,
    "Fn::Or": any,
    "Fn::Contains": lambda given: given[1] in given[0],
    "Fn::Split": lambda given: given[1].split(given[0]),
    "Fn::Join": lambda given: given[0].join(given[1]),
    "Fn::GetAtt": ".".join,
    "Fn::ImportValue": "<{}>".format,
}


CHECKED = {
    "QueryConcurrency": 50,
    "ReadConcurrency": 50,
    "KmsKeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
    "TokenKeys": "a key",
    "LinkMinutes": 60,
}
"""With these everything is made that an engine has, and as the checks want it."""


def _main(directory: Path) -> None:
    for path in ("template.yaml", "docs/transfer.yaml"):
        template = load(path)
        for engine in template["Parameters"]["Engine"]["AllowedValues"]:
            parameters = given(template, **CHECKED, Engine=engine)
            resources = {
                name: decided(one, template, parameters)
                for name, one in template["Resources"].items()
                if exists(one, template, parameters)
            }
            parts = {"Globals": decided(template.get("Globals", {}), template, parameters)}
            written = directory / engine / Path(path).with_suffix(".json").name
            written.parent.mkdir(parents=True, exist_ok=True)
            whole = {**template, **parts, "Resources": resources}
            written.write_text(json.dumps(whole, indent=1))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
