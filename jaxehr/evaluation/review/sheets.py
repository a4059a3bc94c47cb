"""A blinded review by clinicians: readable sheets of real and synthetic patients, shuffled, with nothing on them that
tells one from the other but what they say.

What could tell is taken away: ids, the order of rows and of codes, dtypes, decimals, the spelling of yes and of what is
missing, and the time and order of files (there is one). The seed of the shuffle is drawn unless given, and kept with
the key.

The sheets show real patients: they are to be handled as such.
"""

import html
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data import DataError, Records, Schema, records_of
from jaxehr.data.grid import refuse_series
from jaxehr.evaluation.blocks.frames import Data, check_parts, with_times
from jaxehr.files import write_text

UNKNOWN = "not recorded"
Line = tuple[str, str]  # what stands on the left and on the right of a sheet's line
ANSWERS = "sheet,realistic (yes or no),origin (real or synthetic),remarks"


class Packet(NamedTuple):
    """sheets[i] is sheet i + 1, and origins[i] what it is: real or synthetic."""

    sheets: tuple[tuple[Line, ...], ...]
    origins: tuple[str, ...]
    seed: int

    def save(self, folder: str | Path) -> None:
        """Writes packet/, the sheets and an answer form, for the reviewers; answers/, empty, for what comes back; and
        key.csv, which is not for them. Raises DataError if the folder holds a review."""
        folder = Path(folder)
        if (folder / "key.csv").exists():
            raise DataError(f"{folder} holds a review already; choose another folder")
        (folder / "answers").mkdir(parents=True, exist_ok=True)
        write_text(folder / "packet" / "patients.html", self.to_html())
        form = [ANSWERS, *(f"{i + 1},,," for i in range(len(self.sheets)))]
        write_text(folder / "packet" / "answers.csv", "\n".join(form) + "\n")
        key = pd.DataFrame({"sheet": range(1, len(self.origins) + 1), "origin": self.origins})
        write_text(folder / "key.csv", key.assign(seed=self.seed).to_csv(index=False))

    def to_html(self) -> str:
        return _booklet(self.sheets)


def review_packet(
    real: Data,
    synthetic: Data,
    n: int,
    *,
    schema: Schema | None = None,
    names: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> Packet:
    """n sheets of each, shuffled.

    schema  of the real records; inferred if not given
    names   what codes or columns are called in plain words
    seed    None draws one: with a known seed, the order could be worked out
    Raises DataError for columns that differ, and for fewer than n patients.
    """
    schema = Schema.infer(real) if schema is None else schema
    refuse_series(schema.grid, "the review")
    seed = secrets.randbits(63) if seed is None else seed
    rng = np.random.default_rng(seed)
    names = {} if names is None else names
    check_parts({"real": records_of(real), "synthetic": records_of(synthetic)})
    chosen = []
    for which, data in (("real", real), ("synthetic", synthetic)):
        some = _chosen(records_of(data), n, schema, which, rng)
        chosen.append(records_of(with_times(schema, which, some)))
    static, events = ([getattr(each, part) for each in chosen] for part in ("static", "events"))
    lines = []
    if static[0] is not None:
        lines.append([*_column_lines(static, schema, names)])
    if events[0] is not None:
        lines.append([*_code_lines(events, n, names)])
    sheets = [tuple(chain(*parts)) for parts in zip(*lines, strict=True)]
    order = rng.permutation(2 * n)
    return Packet(
        tuple(sheets[i] for i in order),
        tuple("real" if i < n else "synthetic" for i in order),
        seed,
    )


def _chosen(
    records: Records, n: int, schema: Schema, which: str, rng: np.random.Generator
) -> Records:
    """n patients at random, numbered, in the schema's columns."""
    static, events = records.static, records.events
    names = [] if static is None else schema.names
    missing = [name for name in names if static is not None and name not in static]
    if missing:
        raise DataError(f"the {which} records lack {missing}, which the real ones have")
    if events is None:
        patients = np.arange(len(records))
    else:
        patients = (events if static is None else static)["subject_id"].unique()
    if n < 1 or len(patients) < n:
        raise DataError(f"{n} {which} patients are wanted, and there are {len(patients):,}")
    place = rng.permutation(len(patients))[:n]
    if static is not None:
        static = static[names].iloc[place].reset_index(drop=True)
    if events is not None:
        number = dict(zip(patients[place], range(n), strict=True))
        rows = events.loc[events["subject_id"].isin(number), ["subject_id", "code"]]
        events = rows.assign(subject_id=rows["subject_id"].map(number)).drop_duplicates()
    return replace(records, static=static, events=events)


def _code_lines(
    frames: list[pd.DataFrame], n: int, names: Mapping[str, str]
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


def _column_lines(
    frames: list[pd.DataFrame], schema: Schema, names: Mapping[str, str]
) -> Iterator[tuple[Line, ...]]:
    """A line for each column but ids, written in one way for both sets."""
    written: dict[str, list[pd.Series]] = {}
    for column in schema.columns:
        if column.kind == "id":
            continue
        both = [frame[column.name] for frame in frames]
        write = {
            "numerical": _numbers,
            "integer": _numbers,
            "datetime": _dates,
            "boolean": _flags,
        }.get(column.kind, _texts)
        title = names.get(column.name, column.name.replace("_", " "))
        written[title] = [
            text.where(values.notna().to_numpy(), UNKNOWN)
            for text, values in zip(write(both), both, strict=True)
        ]
    for i in range(len(frames)):
        for values in zip(*(texts[i] for texts in written.values()), strict=True):
            yield tuple(zip(written, values, strict=True))


def _numbers(both: list[pd.Series]) -> list[pd.Series]:
    """With as many decimals as the less precise set has, for all values alike."""
    numbers = [pd.to_numeric(values).astype(float) for values in both]
    decimals = min(_decimals(values.dropna()) for values in numbers)
    return [values.map(lambda x: f"{round(x, decimals) + 0.0:.{decimals}f}") for values in numbers]


def _decimals(values: pd.Series) -> int:
    return next((d for d in range(6) if (values.round(d) == values).all()), 6)


def _dates(both: list[pd.Series]) -> list[pd.Series]:
    """Days; with hours and minutes where both sets have such."""
    times = [values.reset_index(drop=True) for values in both]
    timed = all((t.dropna() != t.dropna().dt.normalize()).any() for t in times)
    return [t.dt.strftime("%Y-%m-%d %H:%M" if timed else "%Y-%m-%d") for t in times]


def _flags(both: list[pd.Series]) -> list[pd.Series]:
    true = ("1", "1.0", "true", "yes")
    return [v.astype(str).str.lower().isin(true).map({True: "yes", False: "no"}) for v in both]


def _texts(both: list[pd.Series]) -> list[pd.Series]:
    return [values.astype(object).map(_text) for values in both]


def _text(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()  # numbers that stand for a category
    return str(int(value) if whole else value).strip()  # type: ignore[call-overload]


STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 2px solid #111; padding: .6rem 0 1.6rem } h2 { font-size: 1.1rem; margin: .2rem 0 .5rem }
table { border-collapse: collapse; width: 100% } td { padding: .16rem .6rem .16rem 0; vertical-align: top }
td:first-child { color: #555; width: 40% } tr { border-bottom: 1px solid #ddd } p.ask { margin: .8rem 0 0 }
@media print { body { margin: 0; max-width: none; font-size: 11px } section { break-before: page; border: 0 } }
"""

COVER = """<h1>Patients to review</h1>
<p>Each sheet is a patient: a real one, or one that a program made up. Any number may be made up: all, or none.</p>
<p>For each sheet please write two answers into answers.csv, or tick them here and have them copied:</p>
<ol><li><b>Realistic?</b> Could this be a real patient: yes or no.</li>
<li><b>Origin?</b> If you had to say: real or synthetic.</li></ol>
<p>Please do not talk about the sheets with other reviewers before all have answered. A value that is missing says
&ldquo;not recorded&rdquo;. The sheets hold records of real patients: do not copy or keep them.</p>"""


def _booklet(sheets: tuple[tuple[Line, ...], ...]) -> str:
    pages = "".join(_page(i + 1, lines) for i, lines in enumerate(sheets))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Patients to review</title>'
        f"<style>{STYLE}</style></head><body>{COVER}{pages}</body></html>\n"
    )


def _page(number: int, lines: tuple[Line, ...]) -> str:
    rows, before = [], None
    for left, right in lines:
        said = "" if left == before else left
        rows.append(f"<tr><td>{html.escape(said)}</td><td>{html.escape(right)}</td></tr>")
        before = left
    return (
        f'<section id="sheet-{number}"><h2>Sheet {number}</h2><table>{"".join(rows)}</table>'
        '<p class="ask">Realistic? &#9744; yes &#9744; no &emsp; Origin? &#9744; real &#9744; synthetic</p></section>'
    )
