"""The rules of the house that a program can check: what is unused, too long, or named and gone.

Each rule takes a tree of texts by path, and yields what breaks it: `path: what`.
"""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
Tree = Mapping[str, str]
Rule = Callable[[Tree], Iterator[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef

ROOMS = ("events", "handler", "hrana", "locking", "sqlexec", "storage")
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
TESTS_LINES_MAX = 600
"""Of a file of tests: tables of cases are long, and are not read from their beginning."""

BY_DJANGO = re.compile(
    r"(?:examples/(?:django-polls|three-nodes|two-continents)|tests/django_routing/project|tests/django/suite_settings|"
    r"sqlatch/django/(?:apps|checks|compiler|remote/compiler))"
)
"""Where Django finds modules and settings by their names."""

HISTORY = frozenset({"CHANGELOG.md"})
"""Pages that name what there once was."""

FOREIGN = frozenset({"ATOMIC_REQUESTS", "sqlite3_stmt_readonly"})
"""Names of Django's and SQLite's that pages tell of, and the code does not."""

_HEADLESS = re.compile(r"(?:What|Whether|Who|Where|Which|How(?! long| often))\b")

_NAMED_IN_TEXT = 60
"""Characters of a text that may be a name, as for getattr: a longer one is prose."""


def repository() -> dict[str, str]:
    """Return every text file that git knows, by its path; those added and not committed too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = sorted({name for name in names.splitlines() if (ROOT / name).is_file()})
    return {path: (ROOT / path).read_text(errors="replace") for path in paths}


def unused_constants(tree: Tree) -> Iterator[str]:
    """Constants of a module that nothing reads."""
    used = Counter[str]()
    for text in _modules(tree).values():
        used.update(_names_read(text))
    for path, text in _modules(tree).items():
        if not BY_DJANGO.match(path):
            for name in _constants(text):
                if not used[name]:
                    yield f"{path}: {name} is read nowhere"


def unused_modules(tree: Tree) -> Iterator[str]:
    """Modules that nothing imports, and no text that is not a page names."""
    imported = {name for path, text in _modules(tree).items() for name in _imports(path, text)}
    texts = {path: text for path, text in tree.items() if not path.endswith((".md", ".json"))}
    for path in _modules(tree):
        module = _module_of(path)
        stem = module.rpartition(".")[2]
        if module in imported or _runs_by_itself(path) or BY_DJANGO.match(path):
            continue
        named = re.compile(rf"\b{re.escape(module)}\b|\b{stem}\.py\b|[\"']{stem}(?:\.\w+)?[\"']")
        others = (text for other, text in texts.items() if other != path and stem in text)
        if not any(named.search(text) for text in others):
            yield f"{path}: is imported by nobody"


def long_files(tree: Tree) -> Iterator[str]:
    """Modules that are too long to be read in one go."""
    for path, text in _modules(tree).items():
        most = TESTS_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
        if (lines := len(text.splitlines())) > most:
            yield f"{path}: has {lines} lines, the limit is {most}"


def long_functions(tree: Tree) -> Iterator[str]:
    """Functions that do not fit a screen; those of tests too."""
    for path, text in _modules(tree).items():
        for node in _nodes(text):
            if isinstance(node, Function):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    most = FUNCTION_LINES_MAX
                    yield f"{path}: {node.name} has {lines} lines, the limit is {most}"


def modules_without_tests(tree: Tree) -> Iterator[str]:
    """Modules of a room that have functions, and no file of tests under their name."""
    for path, text in _modules(tree).items():
        room, _, name = path.partition("/")
        if room in ROOMS and any(map(_does_something, _nodes(text))):
            folder, _, file = name.rpartition("/")
            wanted = "/".join(filter(None, ["tests", room, folder, f"test_{file}"]))
            if wanted not in tree and file != "__init__.py":
                yield f"{path}: its tests are to be in {wanted}"


def headless_docstrings(tree: Tree) -> Iterator[str]:
    """Docstrings outside the tests that do not say what a thing is or does: "Whether ..."."""
    for path, text in _modules(tree).items():
        for node in [] if path.startswith("tests/") else _nodes(text):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                first = str(node.value.value).partition("\n")[0]
                if _HEADLESS.match(first):
                    yield f"{path}: {first}"


def pages_out_of_date(tree: Tree) -> Iterator[str]:
    """Pages that name a file, a module, a name of the code, a setting or a command there is not."""
    known = _Known(tree)
    for path, page in tree.items():
        if path.endswith(".md") and path not in HISTORY:
            for span in re.findall(r"`([^`\n]+)`", page):
                if why := known.why_not(span, room=str(PurePosixPath(path).parent)):
                    yield f"{path}: `{span}`: {why}"
            for target in sorted(set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", _code_of(page)))):
                if target not in known.targets:
                    yield f"{path}: make {target}: the Makefile has no such target"


class _Known:
    """The files, modules, words and targets that a page may name."""

    def __init__(self, tree: Tree) -> None:
        self._paths = set(tree)
        self._names = {path.rpartition("/")[2] for path in tree}
        self._packages = {path.partition("/")[0] for path in _modules(tree) if "/" in path}
        self._modules = {_module_of(path): text for path, text in _modules(tree).items()}
        texts = [text for path, text in tree.items() if not path.endswith(".md")]
        self._words = {word for text in texts for word in re.findall(r"\w+", text)}
        makefile = tree.get("Makefile", "")
        self.targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))

    def why_not(self, span: str, *, room: str) -> str:
        """Return what is wrong with a span of code in a page of that room; empty if nothing is."""
        inside = re.split(r"[./]", span)[0] in self._packages | {"docs"}
        if inside and re.fullmatch(r"[\w-]+(?:/[\w.-]+)*(?:/|/[\w-]+\.\w+)", span):
            found = any(path.startswith(span) for path in self._paths)
            return "" if found else "there is no such file"
        if inside and re.fullmatch(r"\w+(?:\.\w+)+", span):
            return "" if self._is_defined(span) else "there is no such module or name"
        if room in ROOMS and re.fullmatch(r"\w+\.py", span):
            return "" if span in self._names else "there is no such file"
        is_name = re.fullmatch(r"SQLATCH_\w+|_?[A-Z][A-Z0-9]*_[A-Z0-9_]+", span) or (
            room in ROOMS and re.fullmatch(r"[A-Z]\w+|\w+_\w+(?:\(\))?", span)
        )
        return "nothing has that name" if is_name and not self._has(span) else ""

    def _has(self, span: str) -> bool:
        name = span.removesuffix("()")
        return name in self._words | FOREIGN or name.removeprefix("SQLATCH_").lower() in self._words

    def _is_defined(self, dotted: str) -> bool:
        module, names = dotted, list[str]()
        if any(f'"{dotted}"' in text for text in self._modules.values()):
            return True  # as Django's checks are named
        while module and module not in self._modules:
            module, _, name = module.rpartition(".")
            names.insert(0, name)
        text = self._modules.get(module, "")
        return all(re.search(rf"\b{name}\b", text) for name in names)


def _code_of(page: str) -> str:
    """The blocks and spans of code in a page."""
    blocks = re.findall(r"```\w*\n(.*?)```", page, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", page)])


def _modules(tree: Tree) -> dict[str, str]:
    return {path: text for path, text in tree.items() if path.endswith(".py")}


def _module_of(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _runs_by_itself(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name in {"__init__.py", "__main__.py", "conftest.py"}


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _nodes(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_parsed(text)))


def _constants(text: str) -> Iterator[str]:
    for node in _parsed(text).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(one, ast.Name) and one.id.isupper():
                    yield one.id


def _does_something(node: ast.AST) -> bool:
    """Return whether it is a function with more than a docstring: not one of a Protocol."""
    return isinstance(node, Function) and not all(isinstance(one, ast.Expr) for one in node.body)


def _names_read(text: str) -> Iterator[str]:
    for node in _nodes(text):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and len(str(node.value)) < _NAMED_IN_TEXT:
            yield from re.findall(r"\w+", str(node.value))


def _imports(path: str, text: str) -> Iterator[str]:
    """The modules that a module imports, and the names in them, which may be modules too."""
    package = path.split("/")[:-1]
    for node in _nodes(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*outer, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
