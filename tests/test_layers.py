"""The rules of the layout: imports point one way, PyMC3 is read in one place, files hold one idea."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pymc3_vi"

#: Level of every top-level module or folder of the package; a module imports only from its own folder or below.
LEVELS = {
    "errors": 0, "compat": 0, "html_tables": 0, "progress": 0, "validation": 1, "registry": 2, "parameters": 2,
    "workers": 2,
    "compiler": 3,
    "graph": 4,
    "steps": 4.5,
    "data": 4.6,
    "model": 5, "updates": 5, "flows": 5, "test_functions": 5, "callbacks": 5,
    "core": 6, "approximations": 7, "stein": 7,
    "operators": 8,
    "diagnostics": 9, "correct": 9.5,
    "algorithms": 9.8,
    "results": 10,
    "inference": 11,
    "many": 11.5,
    "plots": 12, "opvi": 12, "__init__": 14,
    "compat/_contexts": 4, "compat/_repairs": 12, "compat/_install": 13, "compat/__main__": 14,
}  # fmt: skip

#: Where ``import pymc3`` is allowed.
PYMC3_READERS = {"model", "results", "compat/_contexts", "compat/_repairs", "compat/_install"}

MAX_LINES = 430


def _modules():
    return sorted(PACKAGE.rglob("*.py"))


def _unit(path):
    """Top-level module or folder that `path` belongs to, or a module of its own level in a folder."""
    return _named(path.relative_to(PACKAGE).with_suffix("").parts)


def _named(parts):
    """Unit of a module, by the parts of its name."""
    inner = "/".join(parts[:2])
    return inner if inner in LEVELS else parts[0]


def _imported_units(path, tree):
    """(unit, line) of every import of the package itself, relative or absolute."""
    package = ("pymc3_vi",) + path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            target = base + tuple((node.module or "").split(".") if node.module else ())
            names = [target] if len(target) > 1 else [target + (alias.name,) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        for name in names:
            if name and name[0] == "pymc3_vi" and len(name) > 1:
                yield _named(name[1:]), node.lineno


def upward_imports(package=PACKAGE, sources=None):
    """Lines that import from a higher level; `sources` replaces the text of files, for the test of this test."""
    found = []
    for path in _modules():
        text = (sources or {}).get(path, path.read_text(encoding="utf-8"))
        unit = _unit(path)
        for target, line in _imported_units(path, ast.parse(text)):
            if target == unit or target not in LEVELS:
                continue
            if LEVELS[target] >= LEVELS[unit] and unit != "__init__":
                found.append(f"{path.relative_to(package)}:{line} ({unit} imports {target})")
    return found


def test_every_unit_has_a_level():
    assert {_unit(p) for p in _modules()} <= set(LEVELS)


def test_imports_point_down():
    assert upward_imports() == []


def test_an_upward_import_is_found():
    path = PACKAGE / "graph" / "_layout.py"
    sources = {path: path.read_text(encoding="utf-8") + "\nfrom ..inference import fit\n"}
    assert any("graph imports inference" in line for line in upward_imports(sources=sources))


def test_no_imports_inside_functions():
    found = []
    for path in _modules():
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for node in ast.walk(function):
                    if isinstance(node, (ast.Import, ast.ImportFrom)):
                        found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    # What runs before Theano must try imports that may fail.
    assert [f for f in found if not f.startswith("compat/_old_pythons.py")] == []


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_pymc3_is_read_in_one_place(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    names += [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    if any(name.split(".")[0] == "pymc3" for name in names):
        assert _unit(path) in PYMC3_READERS


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_hold_one_idea(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_compiler_knows_nothing_of_the_rest():
    allowed = {"compiler", "compat", "errors", "validation", "registry", "parameters"}
    found = []
    for path in sorted((PACKAGE / "compiler").rglob("*.py")):
        for target, line in _imported_units(path, ast.parse(path.read_text(encoding="utf-8"))):
            if target not in allowed:
                found.append(f"{path.relative_to(PACKAGE)}:{line} (compiler imports {target})")
    assert found == []


def _reached(start):
    """Modules of compat/ that importing `start` of it imports, and names of other packages that they import."""
    reached, others, left = set(), set(), [start]
    while left:
        name = left.pop()
        if name in reached:
            continue
        reached.add(name)
        tree = ast.parse((PACKAGE / "compat" / f"{name}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                left += [node.module] if node.module else [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                others.add("." * node.level + node.module)
            elif isinstance(node, ast.Import):
                others |= {alias.name for alias in node.names}
    return reached, others


def test_what_runs_before_theano_imports_numpy_alone():
    reached, others = _reached("__init__")
    assert {"_import_hook", "_numpy2", "_old_pythons", "_patch", "_python312"} <= reached
    standard = {"importlib", "os", "re", "sys", "threading", "types", "warnings", "zlib"}
    assert {name.split(".")[0] for name in others} - standard == {"numpy"}


#: Asking which algorithm something is, or whether it has what others lack.
_PROBES = re.compile(
    r"isinstance\(.*\b(Newton\w*|Passes|StochasticGradients|FixedDraws|AlgorithmStep)\b"
    r"|(getattr|hasattr)\((\w+\.)*(step|algorithm|rule)\b"
)


def probes(text):
    """Lines that ask which algorithm something is."""
    return [line for line in text.splitlines() if _PROBES.search(line)]


def test_nobody_asks_which_algorithm_it_is():
    """All of them are one interface, whatever they lack."""
    found = {path: probes(path.read_text(encoding="utf-8")) for path in _modules() if _unit(path) != "algorithms"}
    assert {str(path): lines for path, lines in found.items() if lines} == {}


def test_a_probe_is_found():
    assert probes("if isinstance(step, (Step, NewtonStep)):") and probes('getattr(inference.state.step, "batch", 1)')
    assert not probes("if isinstance(wanted, Algorithm): getattr(optimizer, 'name')")


def test_flags_are_changed_for_one_thread():
    """``theano.config.change_flags`` would change them for all; ``compiler.flags`` and ``building`` do not."""
    assert [str(path) for path in _modules() if "change_flags(" in path.read_text(encoding="utf-8")] == []
