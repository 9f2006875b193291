"""Bounds on the shape of the code. Where one fights a natural shape, move the wall and note why."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [p for p in (ROOT / "aicore_sync", ROOT / "metaflow_extensions") if p.is_dir()]
FILES = sorted(f for package in PACKAGES for f in package.rglob("*.py"))
TREES = {f: ast.parse(f.read_text(encoding="utf-8")) for f in FILES}

FILE_LINES, FILE_MEDIAN = 350, 150
FUNCTION_LINES, FUNCTION_MEDIAN = 50, 12
PARAMETERS = 5
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def place(file: Path, line: int = 0) -> str:
    return f"{file.relative_to(ROOT)}:{line}" if line else str(file.relative_to(ROOT))


def lines_of(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def functions() -> Iterator[tuple[str, Function]]:
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{place(file, node.lineno)} {node.name}", node


def length(function: Function) -> int:
    """Lines from `def` to the end; decorators do not count, the docstring does."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> int:
    args = function.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + bool(args.vararg) + bool(args.kwarg)


def is_command(function: Function) -> bool:
    """A command of the command line: its options are its parameters, typer reads them from the signature."""
    decorators = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    return any(isinstance(d, ast.Attribute) and d.attr in {"command", "callback"} for d in decorators)


def complain(offenders: Iterable[str], rule: str) -> None:
    found = "\n  ".join(offenders)
    assert not found, f"{rule}:\n  {found}"


def test_there_is_something_to_measure() -> None:
    assert len(FILES) > 5


def test_no_file_is_too_long() -> None:
    sizes = {f: lines_of(f) for f in FILES}
    complain(
        (f"{place(f)}: {n} lines" for f, n in sizes.items() if n > FILE_LINES), f"at most {FILE_LINES} lines"
    )
    assert median(sizes.values()) <= FILE_MEDIAN, f"the median file has {median(sizes.values())} lines"


def test_no_function_is_too_long() -> None:
    sizes = {name: length(f) for name, f in functions()}
    complain(
        (f"{name}: {n} lines" for name, n in sizes.items() if n > FUNCTION_LINES),
        f"at most {FUNCTION_LINES} lines",
    )
    assert median(sizes.values()) <= FUNCTION_MEDIAN, (
        f"the median function has {median(sizes.values())} lines"
    )


def test_no_function_takes_too_many_parameters() -> None:
    counts = {name: parameters(f) for name, f in functions() if not is_command(f)}
    complain(
        (f"{name}: {n} parameters" for name, n in counts.items() if n > PARAMETERS),
        f"at most {PARAMETERS} parameters; bundle options in a frozen dataclass",
    )


def test_nothing_is_global() -> None:
    found = (
        place(f, n.lineno) for f, tree in TREES.items() for n in ast.walk(tree) if isinstance(n, ast.Global)
    )
    complain(found, "no `global`: pass the object")


def test_every_module_is_named_after_what_it_does() -> None:
    names = {f: {f.stem, *f.relative_to(ROOT).parent.parts} for f in FILES}
    complain(
        (place(f) for f, parts in names.items() if parts & VAGUE),
        f"no module called {', '.join(sorted(VAGUE))}",
    )


def test_no_imports_go_in_circles() -> None:
    graph = grimp.build_graph("aicore_sync", cache_dir=None)
    circles = [
        f"{module} -> {' -> '.join(chain[1:])}"
        for module in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
        if (chain := graph.find_shortest_chain(imported, module)) and module < imported
    ]
    complain(circles, "no import cycles")


@pytest.mark.parametrize(
    ("code", "count"),
    [("def f(self, a, *, b): ...", 2), ("def f(a, /, b, *c, **d): ...", 4), ("async def f(): ...", 0)],
)
def test_parameters_are_counted_without_self(code: str, count: int) -> None:
    function = ast.parse(code).body[0]
    assert isinstance(function, Function)
    assert parameters(function) == count
