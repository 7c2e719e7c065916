"""Reads a CloudFormation template as plain data, short tags (`!Ref`, `!Sub`) in their long form."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


class Loader(yaml.SafeLoader):
    """A safe loader that knows CloudFormation's tags."""


def load(path: str) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load((ROOT / path).read_text(), Loader)
    return template


def _intrinsic(loader: Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    text = str(loader.construct_scalar(node)) if isinstance(node, yaml.ScalarNode) else ""
    return {name: text.split(".", 1) if tag == "GetAtt" else text}


Loader.add_multi_constructor("!", _intrinsic)
