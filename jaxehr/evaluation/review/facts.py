"""What stands once on a sheet: a line for each column of the static table, and for each code without a grid."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from jaxehr.data import Schema
from jaxehr.evaluation.review import written

UNKNOWN = "not recorded"
Line = tuple[str, str]  # what stands on the left and on the right of a sheet's line


def column_lines(
    frames: Sequence[pd.DataFrame], schema: Schema, names: Mapping[str, str]
) -> Iterator[tuple[Line, ...]]:
    """A line for each column but ids, written in one way for both sets."""
    found: dict[str, list[pd.Series]] = {}
    for column in schema.columns:
        if column.kind == "id" or column.name == "subject_id":
            continue
        both = [frame[column.name] for frame in frames]
        write = {
            "numerical": written.numbers,
            "integer": written.numbers,
            "datetime": written.dates,
            "boolean": written.flags,
        }.get(column.kind, written.texts)
        title = names.get(column.name, column.name.replace("_", " "))
        found[title] = [
            text.where(values.notna().to_numpy(), UNKNOWN)
            for text, values in zip(write(both), both, strict=True)
        ]
    for i, frame in enumerate(frames):
        own = {title: texts[i].tolist() for title, texts in found.items()}
        for row in range(len(frame)):
            yield tuple((title, texts[row]) for title, texts in own.items())


def code_lines(
    frames: Sequence[pd.DataFrame], n: int, names: Mapping[str, str]
) -> Iterator[tuple[Line, ...]]:
    """Codes in the order of the alphabet, under what stands before their last //."""
    for frame in frames:
        own = dict(iter(frame.groupby("subject_id")["code"]))
        for patient in range(n):
            lines = []
            for code in sorted(str(each).strip() for each in own.get(patient, ())):
                kind, _, rest = code.rpartition("//")
                name = names.get(code, "")
                lines.append((kind or "code", f"{rest}  {name}".strip()))
            yield tuple(lines)
