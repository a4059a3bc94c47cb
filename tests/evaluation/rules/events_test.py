"""Rules on events and their order in time: timelines made by hand, a loop over patients that agrees, planted faults."""

import re
import tomllib
from importlib.resources import files
from itertools import product

import numpy as np
import pandas as pd
import pytest

from jaxehr.commands.help import pages
from jaxehr.data import DataError, Records, hospital
from jaxehr.evaluation.measures.proportions import effective, wilson
from jaxehr.evaluation.rules.conditions import broken
from jaxehr.evaluation.rules.patients import Patients
from jaxehr.evaluation.rules.rule_file import read_rules, starter_rules
from jaxehr.evaluation.rules.rules import excesses, rates

GROUPS = """
[codes]
dose = ["DRUG//kcl"]
potassium = ["LAB//K"]
systolic = ["SysABP"]
diastolic = ["DiasABP"]
culture = ["CULTURE"]
weight = ["Weight"]
birth = ["MEDS_BIRTH"]
death = ["MEDS_DEATH"]
measured = ["LAB//*", "*ABP", "Weight"]
"""


def rules(folder, text):
    path = folder / "mine.toml"
    path.write_text(f'{GROUPS}\n[[rule]]\nname = "r"\n{text}\n')
    return read_rules(path)


def events(*patients, start="2024-01-01"):
    """Of each patient "code hour" or "code hour value", a text where it is no number; hour - is no time."""
    rows = []
    for i, said in enumerate(patients):
        for each in filter(None, map(str.strip, said.split(","))):
            code, hour, value = (*each.split(), None)[:3]
            number = None if value is None or value.isalpha() else float(value)
            text = value if value is not None and value.isalpha() else None
            rows.append((i, code, None if hour == "-" else float(hour), number, text))
    names = ["subject_id", "code", "time", "numeric_value", "text_value"]
    frame = pd.DataFrame(rows, columns=names).astype({"numeric_value": float, "time": float})
    frame["text_value"] = frame["text_value"].astype(object)
    if start is not None:
        frame["time"] = pd.Timestamp(start) + pd.to_timedelta(frame["time"], unit="h")
    static = pd.DataFrame({"subject_id": range(len(patients)), "sex": "male"})
    static.loc[::2, "sex"] = "female"
    return Records(static, frame)


def found(folder, text, data):
    mine = rules(folder, text)
    return broken(Patients(data, mine, "real"), mine.rules[0])


# Of each patient what the rule says: 1 breaks it, 0 keeps it, - cannot be told.
BY_HAND = {
    "a potassium within 6 h after a dose, that hour included, and one at the same time": (
        'each = "dose"\nalways = { followed_by = "potassium", within = "6h" }',
        {
            "DRUG//kcl 0, LAB//K 6": 0,
            "DRUG//kcl 0, LAB//K 6.01": 1,
            "DRUG//kcl 1, LAB//K 1": 0,
            "LAB//K 0, DRUG//kcl 1, Weight 9": 1,
            "DRUG//kcl 0, LAB//K 1, DRUG//kcl 10, Weight 20": 0.5,
            "DRUG//kcl 0, Weight 3": "-",  # the record ends before six hours are over
            "DRUG//kcl 0, LAB//K 3": 0,
            "DRUG//kcl -, Weight 3, Weight 30": "-",
            "Weight 3": "-",
        },
    ),
    "two doses, of which the first is followed by the other": (
        'each = "dose"\nalways = { followed_by = "dose", within = "6h" }',
        {
            "DRUG//kcl 0": "-",
            "DRUG//kcl 0, DRUG//kcl 4": 0,
            "DRUG//kcl 0, DRUG//kcl 4, Weight 99": 0.5,
        },
    ),
    "nothing measured after death; at that time it may be": (
        'first = "death"\nnever = { followed_by = "measured" }',
        {"MEDS_DEATH 5, LAB//K 5": 0, "MEDS_DEATH 5, LAB//K 5.5": 1, "LAB//K 9": "-"},
    ),
    "the first potassium before the first dose": (
        'who = { code = "potassium" }\nfirst = "dose"\nalways = { preceded_by = "potassium" }',
        {
            "LAB//K 1, DRUG//kcl 2": 0,
            "DRUG//kcl 2, LAB//K 3, DRUG//kcl 9": 1,
            "DRUG//kcl 2": "-",
            "LAB//K 1": "-",
        },
    ),
    "never within a day before": (
        'each = "weight"\nnever = { preceded_by = "dose", within = "1d" }',
        {
            "DRUG//kcl 0, Weight 24": 1,
            "DRUG//kcl 0, Weight 25": 0,
            "DRUG//kcl 25, Weight 25": "-",  # the record begins with it
            "LAB//K 0, DRUG//kcl 25, Weight 25": 0,
        },
    ),
    "a positive culture has an antibiotic near it": (
        'all = { code = "culture", value = "pos*" }\nalways = { near = "dose", within = "24h" }',
        {
            "CULTURE 30 positive, DRUG//kcl 10": 0,
            "CULTURE 30 POS, DRUG//kcl 50": 0,
            "Weight 0, CULTURE 24 positive, CULTURE 30 positive, DRUG//kcl 50, Weight 90": 1,
            "Weight 0, CULTURE 30 negative, Weight 90": "-",
            "Weight 0, CULTURE 30 positive, Weight 50": "-",
        },
    ),
    "every systolic pressure in range, with a time or without": (
        'all = "systolic"\nalways = { value = "20 to 250" }',
        {
            "SysABP 0 20, SysABP 1 250": 0,
            "SysABP 0 100, SysABP - 251": 1,
            "SysABP 0": "-",
            "SysABP 0, SysABP 1 90": 0,
        },
    ),
    "above the diastolic pressure of the same time, and of several above all": (
        'each = "systolic"\nalways = { value = "> diastolic" }',
        {
            "SysABP 0 100, DiasABP 0 60": 0,
            "SysABP 0 60, DiasABP 0 60": 1,
            "SysABP 0 70, DiasABP 0 60, DiasABP 0 80": 1,
            "SysABP 0 100, DiasABP 1 60": "-",
            "SysABP 0 50, DiasABP 0 60, SysABP 1 90, DiasABP 1 60": 0.5,
        },
    ),
    "not below the diastolic pressures of the same time": (
        'all = "systolic"\nnever = { value = "< diastolic" }',
        {
            "SysABP 0 60, DiasABP 0 60, DiasABP 0 50": 0,
            "SysABP 0 55, DiasABP 0 50, DiasABP 0 60": 0,
        },
    ),
    "consecutive weights of a day differ by at most ten": (
        'each = "weight"\nalways = { change = "-10 to 10", within = "24h" }',
        {
            "Weight 0 70, Weight 24 80": 0,
            "Weight 0 70, Weight 24 59.9": 1,
            "Weight 0 70, Weight 25 90": "-",
            "Weight 0 70, Weight 1, Weight 2 90": 1,
            "Weight 0 70, Weight 1 71, Weight 2 99": 0.5,
            "Weight 3 70": "-",
        },
    ),
    "the last weight": (
        'last = "weight"\nnever = { value = "> 300" }',
        {"Weight 0 400, Weight 5 70": 0, "Weight 5 400, Weight 0 70": 1, "Weight - 400": "-"},
    ),
    "one death at most": (
        'never = { code = "death", count = "> 1" }',
        {"MEDS_DEATH 1": 0, "MEDS_DEATH 1, MEDS_DEATH -": 1, "Weight 0": 0},
    ),
    "no birth among men": (
        'who = { sex = "male" }\nnever = { code = "birth" }',
        {"MEDS_BIRTH 0": "-", "MEDS_BIRTH 1": 1, "": "-", "Weight 0": 0},  # women and men by turns
    ),
    "a low pressure is measured again": (
        'who = { code = "systolic", value = "< 60", count = ">= 2" }\n'
        'first = { code = "systolic", value = "< 60" }\n'
        'always = { followed_by = "systolic", within = "2h" }',
        {
            "SysABP 0 50, SysABP 1 90, SysABP 8 50": 0,
            "SysABP 0 50, SysABP 3 50": 1,
            "SysABP 0 50, SysABP 1 90": "-",
        },
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("times", ["dates", "texts", "hours"])
def test_timelines_made_by_hand(tmp_path, name, times):
    text, told = BY_HAND[name]
    data = events(*told, start=None if times == "hours" else "2024-01-01")
    if times == "hours":
        for span, hours in {'"6h"': 6, '"24h"': 24, '"1d"': 24, '"2h"': 2}.items():
            text = text.replace(f"within = {span}", f"within = {hours}")
    if times == "texts":
        data.events["time"] = data.events["time"].dt.strftime("%Y-%m-%d %H:%M:%S")
    seen = found(tmp_path, text, data)
    each = zip(seen.concerned, seen.share, strict=True)
    assert [share if known else "-" for known, share in each] == [*told.values()]


def by_loop(own, which, relation, must, within):
    """What a rule says of one patient's (code, time, value), event by event, as one would read it aloud."""
    timed = sorted((each for each in own if not np.isnan(each[1])), key=lambda each: each[1:])
    asked = [i for i, (code, _, _) in enumerate(timed) if code == "A"]
    asked = {"first": asked[:1], "last": asked[-1:]}.get(which, asked)
    verdicts = [verdict(timed, i, relation, must, within) for i in asked]
    known = [each for each in verdicts if each is not None]
    if not known:
        return "-"
    return sum(known) / len(known) if which == "each" else float(any(known))


def verdict(timed, i, relation, must, within):
    """Whether it breaks the rule; None where it cannot be told."""
    far = np.inf if within is None else within
    _, now, value = timed[i]
    if relation == "change":
        later = [each for each in timed[i + 1 :] if each[0] == "A"]
        if not later or later[0][1] - now > far:
            return None
        return (-1 <= later[0][2] - value <= 1) != must
    gaps = [t - now for j, (code, t, v) in enumerate(timed) if j != i and code != "C" and v > 2]
    begins, ends = timed[0][1] - now, timed[-1][1] - now
    if relation == "followed_by":
        hit = any((0 <= gap if must else 0 < gap) and gap <= far for gap in gaps)
        reaches = within is None or ends >= far
    elif relation == "preceded_by":
        hit = any((0 <= -gap if must else 0 < -gap) and -gap <= far for gap in gaps)
        reaches = within is None or begins <= -far
    else:
        hit = any(abs(gap) <= far for gap in gaps)
        reaches = ends >= far and begins <= -far
    return hit != must if hit or reaches else None


ASKED = [
    (which, relation, must, within)
    for relation, must, within in product(
        ("followed_by", "preceded_by", "near", "change"), (True, False), (None, 0, 3)
    )
    for which in (("all", "each") if relation == "change" else ("all", "each", "first", "last"))
    if relation != "near" or within is not None
]


def written(asked, unit):
    which, relation, must, within = asked
    wanted = '"-1 to 1"' if relation == "change" else '{ code = ["a", "b"], value = "> 2" }'
    span = "" if within is None else f", within = {unit.format(within)}"
    word = "always" if must else "never"
    return (
        f'[[rule]]\nname = "{asked}"\n{which} = "a"\n{word} = {{ {relation} = {wanted}{span} }}\n'
    )


def test_a_loop_over_patients_and_their_events_agrees(tmp_path):
    """Few times and few values, so that ties are many; the order of the rows changes nothing."""
    rng = np.random.default_rng(0)
    n, m = 60, 300
    frame = pd.DataFrame(
        {
            "subject_id": rng.integers(0, n, m),
            "code": rng.choice(["A", "B", "C"], m),
            "time": np.where(rng.random(m) < 0.05, np.nan, rng.integers(0, 9, m)),
            "numeric_value": rng.integers(0, 5, m).astype(float),
        }
    )
    own = [[*frame[frame["subject_id"] == i].itertuples(index=False, name=None)] for i in range(n)]
    told = {each: [by_loop([row[1:] for row in rows], *each) for rows in own] for each in ASKED}
    days = pd.Timestamp("2020-02-27") + pd.to_timedelta(frame["time"], "D")
    for unit, rows in (("{}", frame), ('"{}d"', frame.assign(time=days))):
        path = tmp_path / "mine.toml"
        groups = '[codes]\na = ["A"]\nb = ["B"]\n'
        path.write_text(groups + "".join(written(each, unit) for each in ASKED))
        mine = read_rules(path)
        records = Records(
            pd.DataFrame({"subject_id": range(n)}), rows.sample(frac=1, random_state=1)
        )
        patients = Patients(records, mine, "real")
        for rule, asked in zip(mine.rules, ASKED, strict=True):
            seen = broken(patients, rule)
            each = zip(seen.concerned, seen.share, strict=True)
            assert [share if known else "-" for known, share in each] == told[asked], asked


def stays(n=400, spoilt=(), seed=0):
    """Doses at random hours, each followed by a potassium; of the spoilt patients after seven hours."""
    rng = np.random.default_rng(seed)
    doses = np.sort(rng.uniform(0, 100, (n, 5)), axis=1)
    wait = np.where(np.isin(np.arange(n), spoilt)[:, None], 7.0, rng.uniform(0, 6, (n, 5)))
    doses += 20 * np.arange(5)  # no other potassium within six hours after
    rows = [("DRUG//kcl", doses), ("LAB//K", doses + wait), ("Weight", np.full((n, 5), 300.0))]
    frame = pd.concat(
        pd.DataFrame({"subject_id": np.repeat(np.arange(n), 5), "code": code, "time": at.ravel()})
        for code, at in rows
    )
    frame["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["time"], unit="h")
    return frame.assign(numeric_value=4.0)


FOLLOWED = 'each = "dose"\nalways = { followed_by = "potassium", within = "6h" }'


def test_planted_violations_are_found_beside_the_real_rate(tmp_path):
    mine = rules(tmp_path, FOLLOWED)
    ((seen,), notes) = excesses(mine, stays(spoilt=range(40)), stays(spoilt=range(100), seed=1))
    assert (seen.real.n, seen.real.events) == (400, 2000) and notes == ()
    assert seen.real.rate == pytest.approx(0.1) and seen.synthetic.rate == pytest.approx(0.25)
    assert seen.value == pytest.approx(0.15) and 0.1 > seen.low > 0 and seen.high > 0.2
    assert seen.told == "synthetic 25.00% of 400 (2,000 events), real 10.00% of 400 (2,000 events)"
    ((same,), _) = excesses(mine, stays(spoilt=range(9)), stays(spoilt=range(5), seed=1))
    assert same.value == 0 and "≤ 2.50%" in same.told


def test_a_rule_that_never_applied_says_so(tmp_path):
    mine = rules(tmp_path, FOLLOWED)
    without = stays()[lambda each: each["code"] != "DRUG//kcl"]
    ((seen,), _) = excesses(mine, stays(), without)
    assert seen.value is None
    assert seen.said == "it never applied: no code of the synthetic records is of the group 'dose'"
    few = stays()[lambda each: (each["code"] != "DRUG//kcl") | (each["subject_id"] < 21)]
    ((seen,), _) = excesses(mine, few, stays())
    assert seen.said == "fewer than 22 real patients are concerned"
    mine = rules(tmp_path, 'who = { code = ["birth", "dose"] }\n' + FOLLOWED)
    assert excesses(mine, stays(), stays())[0][0].value == 0  # one of two groups is there


def test_an_interval_knows_that_a_patient_s_events_go_together(tmp_path):
    """Where a patient's events agree they are worth a patient, where they do not, each is worth one: then the interval
    is about that of 2,000 patients with one event. (The mean of 400 shares varies by chance: a tenth.)"""
    together = rates(rules(tmp_path, FOLLOWED), stays(spoilt=range(100)))["r"]
    assert together.effective == pytest.approx(400)
    apart = stays()
    doses = apart["code"].eq("LAB//K").to_numpy()
    apart = apart[~doses | (np.random.default_rng(3).random(len(apart)) > 0.25)]
    alone = rates(rules(tmp_path, FOLLOWED), apart)["r"]
    assert 1600 < alone.effective <= 2000
    wide = [each.high - each.low for each in (together, alone)]
    assert wide[0] / wide[1] == pytest.approx(5**0.5, rel=0.15)


@pytest.mark.parametrize("alike", [0.3, 3.0, 300.0])
def test_intervals_of_events_hold_their_level(alike):
    """Of 60 patients with 2 to 20 events each, whose own chances differ much, some, or hardly: 95% of intervals hold
    the true rate, by 2,000 draws: at .945 (.943 to .950 by 4,000) one run in 100,000 is beyond .92 or .97."""
    rng = np.random.default_rng(4)
    p, held = 0.3, 0
    for _ in range(2000):
        own = rng.beta(p * alike, (1 - p) * alike, 60)
        events = rng.integers(2, 21, 60)
        shares = rng.binomial(events, own) / events
        worth = effective(shares, int(events.sum()))
        low, high = wilson(shares.mean() * worth, worth)
        held += low <= p <= high
    assert 0.92 < held / 2000 < 0.97


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'each = "dose"\nalways = { followd_by = "weight" }',
            "line 16: the rule 'r' asks 'followd_by'",
        ),
        ('each = "dose"\nalways = { sex = "male" }', "what is so of the patient stands in who"),
        (
            'each = "dose"\nalways = { within = "6h" }',
            "asks none of them of events; always takes one of value, ch",
        ),
        (
            'each = "dose"\nnever = { value = 3, change = 3 }',
            "asks value and change of events; never takes one",
        ),
        ('each = "dose"\nalways = { near = "weight" }', "not how near; add within"),
        (
            'each = "dose"\nalways = { near = "weight", within = "soon" }',
            "'soon', which is no length of time; say 6h",
        ),
        (
            'each = "dose"\nalways = { near = "weight", within = true }',
            "True, which is no length of time",
        ),
        (
            'each = "dose"\nalways = { near = "weight", within = "-2h" }',
            "'-2h', which is no length of time",
        ),
        ('each = "dose"\nalways = { value = 3, within = "2h" }', "says within of a value"),
        (
            'each = "dose"\nalways = { near = "weigth", within = "1d" }',
            "the codes 'weigth', which are no group",
        ),
        ('each = "dsoe"\nalways = { value = 3 }', "line 15: the rule 'r' names the codes 'dsoe'"),
        ("each = { vlaue = 3 }\nalways = { value = 3 }", "says no code of events in each"),
        (
            'each = { code = "dose", unit = 3 }\nalways = { value = 3 }',
            "says 'unit' of events in each",
        ),
        ('each = "dose"\nfirst = "dose"\nalways = { value = 3 }', "it says each and first"),
        ('each = "dose"\nnothing_after = "death"', "says each and nothing_after; take one away"),
        ('each = "dose"', "one of always, never, nothing_after, nothing_before; it says none"),
        ('first = "weight"\nalways = { change = "> 3" }', "the change of one event"),
        (
            'each = "weight"\nalways = { change = "a lot" }',
            "'change' 'a lot'; say numbers: 20 to 250",
        ),
        ('each = "weight"\nalways = { value = "20-250" }', "a range is written 20 to 250"),
        ('each = "weight"\nalways = { value = "=> 20" }', "'=> 20', which is not understood"),
        ('each = "weight"\nalways = { value = "> fat" }', "the codes 'fat', which are no group"),
        ('never = { code = "death", count = "> birth" }', "'count' '> birth'; say numbers"),
        ('never = { followed_by = "death" }', "not of which events: add all, each, first or last"),
        ("each = []\nalways = { value = 3 }", "names the codes \\[\\]"),
        ('each = "dose"\nalways = { value = "high" }', "names the column 'text_value'"),
        (
            'each = "dose"\nalways = { near = "weight", within = 6 }',
            "are dates; say how long it is: 6h",
        ),
    ],
)
def test_a_rule_that_cannot_be_asked_is_one_clear_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as caught:
        rates(rules(tmp_path, text), stays(30))
    assert "\n" not in str(caught.value)


def test_times_that_are_numbers_want_spans_that_are(tmp_path):
    hours = stays(30).assign(time=3.0)
    with pytest.raises(DataError, match="are numbers; say how many of what they count"):
        rates(rules(tmp_path, FOLLOWED), hours)
    with pytest.raises(DataError, match="'soon', which is no date"):
        rates(rules(tmp_path, FOLLOWED), hours.assign(time="soon"))
    with pytest.raises(DataError, match="names the column 'time'"):
        rates(rules(tmp_path, FOLLOWED), hours.drop(columns="time"))


def test_the_rules_of_the_help_page_are_read(tmp_path):
    """As they stand there, and each kind of them does say something of patients."""
    page = tmp_path / "page.toml"
    shown = re.findall(r"^  (?!jaxehr| )(.*)$", pages()["rules"], re.MULTILINE)
    page.write_text("\n".join(shown))
    mine = read_rules(page)
    assert len(mine.rules) == len(re.findall(r"\[\[rule\]\]", page.read_text())) >= 9
    said = "SysABP 0 90, DiasABP 0 60, Weight 0 70, Weight 1 71, CULTURE//blood 0 positive"
    data = events(*[f"{said}, MED//cefepime 0, MED//kcl 1, K 2, MEDS_DEATH 9"] * 60)
    data.events["code"] = data.events["code"].replace("MED//kcl", "MED//potassium chloride 2 g")
    assert all(rate is not None for rate in rates(mine, data).values())


def test_the_starter_set_on_patients_whose_law_is_known():
    """Nothing of the hospital's happens after a death or before a birth; a lab belongs to a visit."""
    mine, real = starter_rules("events"), hospital(400, seed=2)
    asked = {rule.name: rule for rule in mine.rules}
    of_death, of_birth = (f"nothing is measured {when}" for when in ("after death", "before birth"))
    count = lambda data, name: int(broken(Patients(data, mine, "real"), asked[name]).share.sum())
    for name in (of_death, of_birth, "one death at most", "one birth at most"):
        assert count(real, name) == 0, name
    died = real.events.groupby("subject_id")["code"].transform(lambda c: c.eq("MEDS_DEATH").any())
    labs = real.events[died & real.events["code"].str.startswith("LAB//")]
    last = labs.groupby("subject_id")["time"].max().head(30) - pd.Timedelta("1D")
    early = real.events.copy()
    moved = early["code"].eq("MEDS_DEATH") & early["subject_id"].isin(last.index)
    early.loc[moved, "time"] = early.loc[moved, "subject_id"].map(last)
    assert count(Records(real.static, early), of_death) == len(last) == 30
    twice = pd.concat([real.events, real.events[moved]])
    assert count(Records(real.static, twice), "one death at most") == 30


@pytest.mark.parametrize("name", ["mimic3_stays", "mimic4_stays"])
def test_the_starter_set_takes_nothing_for_what_it_is_not(name):
    """Of what the layouts read, and of names that begin as others do: a code is of one group or of none."""
    mine = starter_rules("events")
    measured = [group for group in mine.codes if group not in ("vital", "lab")]
    of = lambda code: [group for group in measured if mine.is_in(code, group)]
    layout = tomllib.loads((files("jaxehr.data") / "layouts" / f"{name}.toml").read_text())
    found = [of(c) for c in codes_of(layout["events"])]
    assert all(len(each) <= 1 for each in found) and sum(map(len, found)) >= 22
    for odd in ("LAB//phosphate//mg/dL", "LAB//WBC's in urine//UNK", "VITAL//temperature//F",
                "VITAL//cuff mean//mmHg", "NIMAP", "Mg", "LAB//glucose - CSF//mg/dL"):  # fmt: skip
        assert of(odd) == [], odd
    assert of("LAB//potassium//mmol/L") == of("K") == ["potassium"]


def codes_of(events):
    """As the layouts make them, labs with a unit behind."""
    for each in events:
        kind, _, columns = each["code"].partition("//")
        yield from (f"{kind}//{item}" + "//mg/dL" * ("+" in columns) for item in each["items"])


def test_a_lab_of_the_hospital_belongs_to_a_visit(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[codes]\nlab = ["LAB//*"]\nvisit = ["VISIT//*"]\n'
        '[[rule]]\nname = "r"\neach = "lab"\nalways = { near = "visit", within = "0h" }\n'
    )
    real, mine = hospital(200, seed=3), read_rules(path)
    rate = rates(mine, real)["r"]
    labs = real.events["code"].str.startswith("LAB//")
    assert (rate.bound, rate.events) == ("at most", labs.sum())
    later = real.events["time"].where(~labs, real.events["time"] + pd.Timedelta("1s"))
    moved = Records(real.static, real.events.assign(time=later))
    assert rates(mine, moved)["r"].bound == "at least"
