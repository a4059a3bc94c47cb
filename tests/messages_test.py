"""What users are told is told in their words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxehr"
INTERNAL = re.compile(
    r"\b(codecs?|pytrees?|tokens?|logits?|jaxpr|kwargs|einsum|ndarray|dataclass)\b"
)


def sentences(code: str) -> Iterator[tuple[int, str]]:
    """The line and text of every string of four words or more that is no docstring; {} for what is filled in."""
    tree = ast.parse(code)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in ast.walk(n)}
    for node in ast.walk(tree):
        if id(node) in docs or not isinstance(node, ast.JoinedStr | ast.Constant):
            continue
        if isinstance(node, ast.Constant):
            text = node.value if isinstance(node.value, str) and id(node) not in inside else ""
        else:
            text = "".join(
                str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values
            )
        if len(text.split()) >= 4:
            yield node.lineno, text


def test_no_message_speaks_of_what_only_the_code_knows():
    odd = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in sentences(path.read_text(encoding="utf-8"))
        if INTERNAL.search(text)
    ]
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize(
    "code",
    [
        'raise ValueError(f"{name} was not there when the codec was fitted")',
        'log.warning("column %s: its token is" " not known here", name)',
        'said = "a pytree of three arrays"',
    ],
)
def test_a_planted_word_is_found(code):
    ((_, text),) = sentences(f'"""A codec of tokens in a docstring."""\n{code}\n')
    assert INTERNAL.search(text)
