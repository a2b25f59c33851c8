"""The field's words in code and on screen: retired ones do not come back. ``python -m tests.test_words`` lists them.

Checked are the names that the code defines (variables, parameters, attributes, functions, classes, modules), comments
and docstrings, and the text that people read: string literals of the explorer, of its JavaScript, and of the engine.
The reader of old formats and its tests are exempt: they must know the old words.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NAMES = {
    # name: what to say instead
    **dict.fromkeys(("found", "said", "told", "one", "what", "made", "asked", "given"), "what it holds"),
    **dict.fromkeys(("lesson", "lessons"), "data_module"),
    **dict.fromkeys(("exam", "exams"), "hold-out set"),
    **dict.fromkeys(("course", "learner"), "trainer"),
    **dict.fromkeys(("judge", "judges", "judged", "judging", "judgement"), "evaluate, ema_model"),
    **dict.fromkeys(("rival", "rivals"), "baseline"),
    **dict.fromkeys(("babysit", "babysitter"), "supervise"),
    "pulse": "heartbeat",
    "conductor": "scheduler",
    **dict.fromkeys(("look", "looks", "followed"), "curve options, run reader"),
    "usual": "climatology",
    "keep_legal": "clamp",
    "facts": "metadata",
    "counts": "enabled, is_scored, num_…",
    "words": "text",
    "face": "tab",
    "bin": "trash",
    "taught": "trained",
}
"""Retired as whole names. Capitals do not matter, nor an underscore before."""

PARTS = {
    "lesson", "exam", "learner", "judge", "judged", "judgement", "rival", "rivals", "babysit", "pulse", "conductor",
}  # fmt: skip
"""Retired also as a part of a name: `num_rivals`, `HoldOutExam`."""

CLASSES = {"Newest", "Later", "Poll", "Look", "Seen", "Followed", "Trained", "Answers", "Course", "Learner", "Exam"}
"""Retired as names of classes only."""

JARGON = re.compile(
    r"\b(lessons?|exams?|learners?|judged?s?|judgements?|rivals?|babysit\w*|conductors?|passports?)\b", re.IGNORECASE
)
"""Not said in comments, docstrings, and sentences on screen."""

LABELS = re.compile(
    r"best rival|mean of valid days|nearer to the truth|\bLikeness\b|\bNearness\b|^Spread$|\bPassport\b|\bPyramid\b"
    r"|\bBelief\b|pull on the centres|Date given by|Place given by|Months see each other"
    r"|Windows of an epoch|Largest gradient|Averaged weights|Less memory, more time|Measure two steps"
    r"|decides, \S+ judges|[Ff]ield of force"
)
"""Labels that gave way to the field's terms."""

BUTTONS = re.compile(r"^(Place|Take|Truth)$")
"""Gave way to Add, Select and True location on the page of mixtures; elsewhere a truth is a truth."""

PUBLIC = {"passport"}
"""Words of jargon that are public names of the engine (`HarmonicBasis.passport`): code may name them."""


def is_exempt(path: Path) -> bool:
    return "legacy" in path.name or path.name == Path(__file__).name


def files(*folders: str, suffix: str = ".py") -> list[Path]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob(f"*{suffix}"))]
    return [path for path in paths if not is_exempt(path)]


def defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a module gives to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def instead_of(name: str) -> str | None:
    """What to say in place of a retired name; None for a name that may stay."""
    plain = name.strip("_")
    if plain in CLASSES:
        return "the standard term"
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", plain)
    retired = [plain, *(part for part in parts if part.lower() in PARTS)]
    return next((NAMES[part.lower()] for part in retired if part.lower() in NAMES), None)


def docstrings(tree: ast.AST) -> dict[ast.Constant, int]:
    """The strings that stand alone: docstrings of modules, classes, functions and of the names above them."""
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    return {node: node.lineno for node in alone if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def retired_names(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    place = path.relative_to(ROOT)
    names = [(1, path.stem), *((line, name) for line, name in defined_names(tree) if not name.startswith("test_"))]
    for line, name in names:
        if instead := instead_of(name):
            yield f"{place}:{line}: name {name} → {instead}"


def jargon(path: Path) -> Iterator[str]:
    """Retired words in comments and docstrings; what stands in backquotes names code."""
    text = path.read_text()
    spoken = [*comments(text), *((line, str(node.value)) for node, line in docstrings(ast.parse(text)).items())]
    for line, words in spoken:
        for match in JARGON.finditer(re.sub(r"`[^`\n]*`", "", words)):
            if match[0].lower() not in PUBLIC:
                yield f"{path.relative_to(ROOT)}:{line + words[: match.start()].count(chr(10))}: says {match[0]!r}"


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The string literals of a Python file without docstrings, or of a JavaScript file without comments."""
    text = path.read_text()
    if path.suffix == ".js":
        token = r"""//[^\n]*|/\*.*?\*/|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`"""
        for match in re.finditer(token, text, re.DOTALL):
            if literal := next(filter(None, match.groups()), None):
                yield text[: match.start()].count("\n") + 1, literal
        return
    tree = ast.parse(text)
    alone = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone:
            yield node.lineno, node.value


def retired_labels(path: Path) -> Iterator[str]:
    """Retired labels, and retired words in sentences: a literal with a space, so no key of a file or an address."""
    for line, literal in literals(path):
        retired = LABELS.search(literal) or (" " in literal.strip() and JARGON.search(literal))
        if "mvmf" in path.parts:
            retired = retired or BUTTONS.search(literal)
        if retired:
            yield f"{path.relative_to(ROOT)}:{line}: shows {retired[0]!r} in {' '.join(literal.split())[:70]!r}"


CHECKS = {
    "names": lambda: (hit for path in files("engine", "explorer", "tests") for hit in retired_names(path)),
    "comments and docstrings": lambda: (hit for path in files("engine", "explorer", "tests") for hit in jargon(path)),
    "screen": lambda: (
        hit for path in [*files("engine", "explorer"), *files("explorer", suffix=".js")] for hit in retired_labels(path)
    ),
}


@pytest.mark.parametrize("check", CHECKS)
def test_no_retired_word(check: str) -> None:
    offenders = list(CHECKS[check]())
    assert not offenders, "\n" + "\n".join(offenders)


def test_the_checks_see_what_they_look_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    python, script = tmp_path / "rival.py", tmp_path / "view.js"
    python.write_text(
        'class Exam:\n    """An exam."""\n\n    def run(self, told):  # as its lesson\n'
        '        self.found, num_rivals = told, "Belief"\n        return "no file found"\n'
    )
    script.write_text('// Passport\nconst key = "likeness"\nlabel("Likeness")\n')
    assert sorted(hit.split(" → ")[0] for hit in retired_names(python)) == [
        "rival.py:1: name Exam",
        "rival.py:1: name rival",
        "rival.py:4: name told",
        "rival.py:5: name found",
        "rival.py:5: name num_rivals",
    ]
    assert list(jargon(python)) == ["rival.py:4: says 'lesson'", "rival.py:2: says 'exam'"]
    assert list(retired_labels(python)) == ["rival.py:5: shows 'Belief' in 'Belief'"]
    assert list(retired_labels(script)) == ["view.js:3: shows 'Likeness' in 'Likeness'"]


if __name__ == "__main__":
    print("\n".join(line for check in CHECKS.values() for line in check() if not sys.argv[1:] or sys.argv[1] in line))
