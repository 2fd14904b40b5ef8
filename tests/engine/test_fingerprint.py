"""A fingerprint changes with any code that a task can reach, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.engine.errors import EngineError
from flows.engine.graph import fingerprint as engine
from flows.engine.graph.definitions import Module, hash_text

# `task` in pkg/main.py is fingerprinted. A case holds main.py and the other modules; NN is 1 before the edit, then 2.
# Every case but those of NEUTRAL must change the fingerprint.
Case = tuple[str, dict[str, str]]

NAMES: dict[str, Case] = {
    "its own body": ("def task():\n    return NN", {}),
    "a function": ("def f():\n    return NN\ndef task():\n    return f()", {}),
    "a constant": ("X = NN\ndef task():\n    return X", {}),
    "a constant among several": ("X, Y = 0, NN\ndef task():\n    return X", {}),
    "a constant by :=": ("Z = (X := NN)\ndef task():\n    return X", {}),
    "a class attribute": ("class A:\n    x = NN\ndef task():\n    return A()", {}),
    "a base class": ("class B:\n    x = NN\nclass A(B): pass\ndef task():\n    return A()", {}),
    "a default argument": ("X = NN\ndef task(x=X):\n    return x", {}),
    "a keyword's default": ("X = NN\ndef task(*, x=X):\n    return x", {}),
    "a lambda's default": ("X = NN\ndef task():\n    return lambda x=X: x", {}),
    "a decorator": ("def d(f):\n    return NN\n@d\ndef task(): pass", {}),
    "an annotation": ("class A:\n    x: int = NN\ndef task(a: A): pass", {}),
    "an annotation in quotes": ("class A:\n    x: int = NN\ndef task(a: 'list[A]'): pass", {}),
    "a field's annotation in quotes": ("class A:\n    x = NN\nclass B:\n    a: 'A'\ndef task():\n    B", {}),
    "a name bound again": ("def f():\n    return NN\nf = print(f)\ndef task():\n    return f", {}),
    "a name bound under a condition": ("if 1:\n    X = 0\nelse:\n    X = NN\ndef task():\n    return X", {}),
    "the condition of a binding": ("if NN:\n    X = 0\ndef task():\n    return X", {}),
    "a name bound by a loop": ("for X in (NN,): pass\ndef task():\n    return X", {}),
    "a name that a nested function has too": (
        "X = NN\ndef task():\n    def g():\n        X = 0\n    return X",
        {},
    ),
    "an alias": ("def f():\n    return NN\ng = f\ndef task():\n    return g()", {}),
    "a local alias": ("def f():\n    return NN\ndef task():\n    g = f\n    return g()", {}),
    "a name in a comprehension": (
        "def f(x):\n    return NN\ndef task():\n    return [f(x) for f in [f] for x in ()]",
        {},
    ),
    "a name that is local elsewhere": ("X = NN\ndef task():\n    [X for X in ()]\n    return X", {}),
    "a global in a function": ("X = NN\ndef task():\n    global X\n    X += 1", {}),
    "a name in a nested function": ("X = NN\ndef task():\n    def g():\n        return X\n    return g", {}),
    "a name in a pattern": ("class A:\n    x = NN\ndef task(y):\n    match y:\n        case A(): pass", {}),
}
IMPORTS: dict[str, Case] = {
    "from a module": ("from pkg.other import f\ndef task():\n    return f()", {"other": "def f(): return NN"}),
    "from a module, renamed": ("from pkg.other import f as g\ndef task():\n    g()", {"other": "def f(): return NN"}),
    "a module's attribute": ("import pkg.other\ndef task():\n    pkg.other.f()", {"other": "def f(): return NN"}),
    "a renamed module's": ("import pkg.other as o\ndef task():\n    o.f()", {"other": "def f(): return NN"}),
    "a module from its package": ("from pkg import other\ndef task():\n    other.f()", {"other": "def f(): return NN"}),
    "relative": ("from . import other\ndef task():\n    other.f()", {"other": "def f(): return NN"}),
    "relative, of a name": ("from .other import f\ndef task():\n    f()", {"other": "def f(): return NN"}),
    "everything": ("from pkg.other import *\ndef task():\n    f()", {"other": "def f(): return NN"}),
    "in a function": ("def task():\n    from pkg.other import f\n    f()", {"other": "def f(): return NN"}),
    "a module in a function": ("def task():\n    import pkg.other as o\n    o.f()", {"other": "def f(): return NN"}),
    "in a function around": (
        "def task():\n    from pkg.other import f\n    def g():\n        f()",
        {"other": "def f(): return NN"},
    ),
    "of the same name in two methods": (
        "class A:\n    def a(self):\n        from pkg.one import f\n        f()\n"
        "    def b(self):\n        from pkg.other import f\n        f()\ndef task():\n    A",
        {"one": "def f(): pass", "other": "def f(): return NN"},
    ),
    "in a class": ("class A:\n    from pkg.other import f\ndef task():\n    A.f()", {"other": "def f(): return NN"}),
    "under a condition": (
        "try:\n    from pkg.other import f\nexcept ImportError:\n    f = None\ndef task():\n    f()",
        {"other": "def f(): return NN"},
    ),
    "the condition of an import": (
        "if NN > 1:\n    from pkg.one import f\nelse:\n    from pkg.other import f\ndef task():\n    f()",
        {"one": "def f(): pass", "other": "def f(): pass"},
    ),
    "a name that nothing binds": (
        "from pkg.other import f\ndef task():\n    f()",
        {"other": "vars()['f'] = 0\ndef g(): return NN"},
    ),
    "handed on by another module": (
        "from pkg.between import f\ndef task():\n    f()",
        {"between": "from pkg.other import f", "other": "def f(): return NN"},
    ),
    "a module handed on": (
        "from pkg.between import other\ndef task():\n    other.f()",
        {"between": "from pkg import other", "other": "def f(): return NN"},
    ),
    "handed on by the package": (
        "from pkg import f\ndef task():\n    f()",
        {"__init__": "from .other import f", "other": "def f(): return NN"},
    ),
    "a module as a value": (
        "from pkg import other\ndef task(name):\n    getattr(other, name)()",
        {"other": "def f(): return NN"},
    ),
    "what a module as a value imports": (
        "from pkg import between\ndef task(name):\n    getattr(between, name)()",
        {"between": "from pkg.other import f", "other": "def f(): return NN"},
    ),
    "a package as a value": (
        "from pkg import sub\ndef task(name):\n    getattr(sub, name).f()",
        {"sub/__init__": "", "sub/other": "def f(): return NN"},
    ),
    "an attribute that nothing binds": (
        "from pkg import other\ndef task():\n    other.f()",
        {"other": "vars()['f'] = 0\ndef g(): return NN"},
    ),
    "which of two functions": (
        "from pkg.other import fNN as f\nfrom pkg import other\ndef task():\n    f(), other.f1, other.f2",
        {"other": "def f1(): pass\ndef f2(): pass"},
    ),
    "which function of a library": ("from os.path import isNN\nisdir = is2 = is1 = 0\ndef task():\n    is1", {}),
    "which of a library's, renamed": ("from json import nNN as f\ndef task():\n    return f()", {}),
}
RUNS: dict[str, Case] = {
    "a bare call": ("import pkg.other\ndef task(): pass", {"other": "print(NN)"}),
    "what a bare call calls": ("import pkg.other\ndef task(): pass", {"other": "def f(): return NN\nf()"}),
    "a bare call two imports away": (
        "import pkg.between\ndef task(): pass",
        {"between": "import pkg.other", "other": "print(NN)"},
    ),
    "an import in a function": ("def task():\n    import pkg.other", {"other": "print(NN)"}),
    "the package itself": ("def task(): pass", {"__init__": "print(NN)"}),
    "registered by a decorator": (
        "from pkg.hooks import register\nimport pkg.other\ndef task(): pass",
        {"hooks": "def register(f): pass", "other": "from pkg.hooks import register\n@register\ndef f(): return NN"},
    ),
    "registered by a library's decorator": (
        "import pkg.other\ndef task(): pass",
        {"other": "import atexit\n@atexit.register\ndef f(): return NN"},
    ),
    "registered by a method's decorator": (
        "import pkg.other\ndef task(): pass",
        {"other": "def register(f): pass\nclass A:\n    @register\n    def f(self): return NN"},
    ),
    "registered by __init_subclass__": (
        "import pkg.other\ndef task(): pass",
        {"other": "class B:\n    def __init_subclass__(cls): pass\nclass A(B):\n    x = NN"},
    ),
    "registered by a base's __init_subclass__": (
        "import pkg.other\ndef task(): pass",
        {
            "base": "class C:\n    def __init_subclass__(cls): pass\nclass B(C): pass",
            "other": "from pkg.base import B\nclass A(B):\n    x = NN",
        },
    ),
    "registered by a metaclass": (
        "import pkg.other\ndef task(): pass",
        {"other": "class M(type): pass\nclass B(metaclass=M): pass\nclass A(B):\n    x = NN"},
    ),
    "found by __subclasses__": (
        "import pkg.other\nfrom pkg.base import B\ndef task():\n    return B.__subclasses__()",
        {"base": "class B: pass", "other": "from pkg.base import B\nclass A(B):\n    x = NN"},
    ),
    "registered by X = register(f)": (
        "import pkg.other\ndef task(): pass",
        {"other": "def register(f): pass\ndef f(): return NN\nX = register(f)"},
    ),
    "registered by X = library(f)": (
        "import pkg.other\ndef task(): pass",
        {"other": "import atexit\ndef f(): return NN\nX = atexit.register(f)"},
    ),
    "registered in a class": (
        "import pkg.other\ndef task(): pass",
        {"other": "def register(f): pass\ndef f(): return NN\nclass A:\n    x = register(f)"},
    ),
    "an attribute assigned": (
        "import pkg.other\ndef task(): pass",
        {"other": "import json\ndef f(): return NN\njson.dumps = f"},
    ),
    "a place in a table assigned": (
        "import pkg.other\ndef task(): pass",
        {"hooks": "TABLE = dict()", "other": "from pkg.hooks import TABLE\ndef f(): return NN\nTABLE['f'] = f"},
    ),
    "an augmented assignment": (
        "from pkg.hooks import ALL\nimport pkg.other\ndef task(): pass",
        {"hooks": "ALL = []", "other": "from pkg.hooks import ALL\ndef f(): return NN\nALL += [f]"},
    ),
    "a loop": ("import pkg.other\ndef task(): pass", {"other": "for x in (NN,): print(x)"}),
    "a condition's body": ("import pkg.other\ndef task(): pass", {"other": "if 1:\n    print(NN)"}),
    "an attempt's body": (
        "import pkg.other\ndef task(): pass",
        {"other": "try:\n    import json\nexcept ImportError:\n    print(NN)"},
    ),
    "a default made by a call": (
        "import pkg.other\ndef task(): pass",
        {"other": "def register(x): pass\ndef f(x=register(NN)): pass"},
    ),
}
NEUTRAL: dict[str, Case] = {
    "a comment": ("def task():\n    # NN\n    return 0", {}),
    "a docstring": ('def task():\n    """NN"""\n    return 0', {}),
    "a class's docstring": ('class A:\n    """NN"""\n    x: int\n    """NN"""\ndef task():\n    A', {}),
    "a module's docstring": ('"""NN"""\ndef task():\n    return 0', {}),
    "a function that is not used": ("def f():\n    return NN\ndef task(): pass", {}),
    "a constant that is not used": ("import re\nX = re.compile('NN')\ndef task(): pass", {}),
    "a constant read from another": ("A = {'a': 0}\nX = list(A.values())[NN:]\ndef task(): pass", {}),
    "a class in a type variable": (
        "from typing import TypeVar\nclass A:\n    x = NN\nT = TypeVar('T', bound=A)\ndef task(): pass",
        {},
    ),
    "a class that is not used": (
        "from dataclasses import dataclass\nclass B: pass\n@dataclass(frozen=True)\nclass A(B):\n    x: int = NN\n"
        "    @property\n    def y(self): pass\ndef task(): pass",
        {},
    ),
    "a function of a used module": (
        "from pkg import other\ndef task():\n    other.f()",
        {"other": "def f(): pass\ndef g(): return NN"},
    ),
    "another module": ("def task(): pass", {"other": "print(NN)"}),
    "an import for type checkers": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.other import A\ndef task(a: 'A'): pass",
        {"other": "class A:\n    x = NN\nprint(NN)"},
    ),
    "a local name like a module's": ("X = NN\ndef task(X):\n    return X", {}),
    "an argument of a lambda": ("X = NN\ndef task():\n    return lambda X: X", {}),
    "an import that is not used": ("from json import nNN\ndef task(): pass", {}),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    return tmp_path


def fingerprint_case(project: Path, case: Case, digit: int) -> str:
    main, others = case
    for name, source in {"main": main, **others}.items():
        path = project / f"pkg/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.replace("NN", str(digit)))
    return engine.fingerprint(["pkg.main:task"], [])


@pytest.mark.parametrize(
    "case", [f"{table}: {name}" for table in ("NAMES", "IMPORTS", "RUNS") for name in globals()[table]]
)
def test_what_a_task_can_reach_changes_its_fingerprint(project: Path, case: str) -> None:
    table, _, name = case.partition(": ")
    before = fingerprint_case(project, globals()[table][name], 1)
    assert fingerprint_case(project, globals()[table][name], 2) != before
    assert fingerprint_case(project, globals()[table][name], 1) == before


@pytest.mark.parametrize("case", NEUTRAL)
def test_what_it_cannot_reach_changes_nothing(project: Path, case: str) -> None:
    before = fingerprint_case(project, NEUTRAL[case], 1)
    assert fingerprint_case(project, NEUTRAL[case], 2) == before


@pytest.mark.parametrize(
    "first, second",
    [
        ("print(1)", "print(2)"),
        ("X = next(I)", "Y = next(I)"),
        ("X = 1", "X = 2"),
        ("X, Y = 1, 1", "X = 2"),
    ],
)
def test_the_order_of_what_runs_at_import_counts(project: Path, first: str, second: str) -> None:
    start = "I = iter([1, 2])\n"
    end = "\ndef task():\n    return X, Y"
    forth = fingerprint_case(project, (f"{start}{first}\n{second}{end}", {}), 0)
    assert fingerprint_case(project, (f"{start}{second}\n{first}{end}", {}), 0) != forth


def test_whether_annotations_are_evaluated_changes_the_fingerprint(project: Path) -> None:
    plain = "def task(x: int): pass"
    lazy = f"from __future__ import annotations\n{plain}"
    assert fingerprint_case(project, (plain, {}), 0) != fingerprint_case(project, (lazy, {}), 0)


def test_formatting_changes_nothing(project: Path) -> None:
    plain = "X = 'a'\nclass A(dict): pass\ndef task(x, y=(1)):\n    return f(x,\n        y)\ndef f(a, b): return a\n"
    dressed = 'X = "a"\n\n\nclass A(dict):\n    """A."""\n\n\ndef f(a, b):\n    return a\n\n\n'
    dressed += "def task(x, y=1):  # a comment\n    return f(x, y)\n"
    assert fingerprint_case(project, (plain, {}), 0) == fingerprint_case(project, (dressed, {}), 0)


def test_a_whole_module_counts_with_all_that_it_defines(project: Path) -> None:
    fingerprint_case(project, ("def task(): pass", {"other": "from pkg.main import task\ndef f(): pass\nX = 1"}), 0)
    named = [line.split()[0] for line in engine.fingerprint([], ["pkg.other"]).splitlines()]
    assert named == ["pkg.main.task", "pkg.other.X", "pkg.other.f"]


def test_files_and_libraries_of_a_module_are_those_that_run(project: Path) -> None:
    main = "def task():\n    from pkg import other\n    other.f()\ndef unused():\n    import pkg.one"
    others = {"__init__": "", "one": "import csv", "other": "import json, pkg.run\ndef f(): pass", "run": "X = 1"}
    fingerprint_case(project, (main, others), 0)
    (project / "pkg/start.py").write_text("from pkg.main import task\nif TYPE_CHECKING:\n    import re\n")
    assert engine.find_files("pkg.start") == {
        f"pkg/{name}.py" for name in ("__init__", "start", "main", "other", "run")
    }
    assert engine.find_libraries("pkg.start") == {"json"}


def test_a_name_or_a_module_that_is_not_there_is_named(project: Path) -> None:
    fingerprint_case(project, ("def task(): pass", {}), 0)
    with pytest.raises(EngineError, match=r"pkg\.main:nothing"):
        engine.fingerprint(["pkg.main:nothing"], [])
    with pytest.raises(EngineError, match=r"pkg\.nothing"):
        engine.fingerprint([], ["pkg.nothing"])


def test_a_file_that_is_no_python_is_named(project: Path) -> None:
    with pytest.raises(EngineError, match=r"main\.py, line 1"):
        fingerprint_case(project, ("def task(:", {}), 0)


SYNTAX = '''
@decorate(1, *a, key="k", **b)
class A(B, metaclass=M):
    """A docstring."""

    x: int = 0x10
    y, *z = 1.5, 1e300, 2j, True, None, ..., b"bytes\\0", "é\\u2028", r"\\d", "a" "b"

    async def f(self, a, /, b: "int" = -1, *args, c=(), d: int | None = None, **kwargs) -> list[int]:
        async with open(a) as g, open(b):
            yield [x async for x in g if x if not x]
        try:
            return {**a, "k": await b}, {*a, b}, a[1:, ::2, ...], lambda x=1, *y: x + 1 if x <= y < 3 else not x
        except* (E, F) as error:
            raise G from error
        else:
            del a.b, c[0]
        finally:
            global n
            n @= ~1 << 2


def g():
    pass


match x:
    case {"a": [1, *rest], **more} | C(d=None) as e if (f := 1):
        f"{x!r:>{w}} {{}} {x=} {'a' f'{b}'}"
    case -1.0 | "a" | _:
        assert x, f"a{1}" "b"
for i in range(3):
    while i:
        break
    else:
        continue
import a.b as c, d
from .. import *
'''


def test_a_digest_is_the_same_on_every_python(tmp_path: Path) -> None:
    (tmp_path / "syntax.py").write_text(SYNTAX, encoding="utf-8")
    module = Module("syntax", tmp_path / "syntax.py")
    assert hash_text(" ".join(module.digest(index) for index in range(len(module.statements)))) == "10713d7e9029aba4"
