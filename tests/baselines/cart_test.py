"""CART: what holds in the records holds in the draws, out of leaves of so many patients."""

import numpy as np
import pandas as pd
import pytest
from patients import subjects

from jaxehr.baselines import cart, copula
from jaxehr.cli import main
from jaxehr.data import DataError, Records, long_frame, read_meds, read_records, write_records

WARDS = {"er": 0.1, "icu": 0.6, "rehab": 0.3}


def stays(n=2000, seed=0):
    """Death by ward; a floor that is the ward's and twice the floor; sites with numbers of their own; cells that are
    missing together."""
    rng = np.random.default_rng(seed)
    ward = rng.choice(list(WARDS), n)
    floor = pd.Series(ward).map({"er": 7, "icu": 2, "rehab": 5}).to_numpy()
    site = rng.integers(80, size=n)
    unseen = rng.random(n) < np.where(ward == "er", 0.6, 0.2)
    seen = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "ward": pd.Categorical(ward),
            "floor": floor,
            "double": 2.0 * floor,
            "site": [f"S{each:02}" for each in site],
            "site_no": 1000 + np.random.default_rng(1).permutation(80)[site],
            "death": rng.random(n) < pd.Series(ward).map(WARDS),
            "hdl": np.where(unseen, np.nan, rng.normal(50, 9, n).round(1)),
            "hdl_day": pd.Series(seen).mask(unseen),
            "by": pd.Series(np.where(unseen, None, rng.choice(["a", "b"], n)), dtype=object),
        }
    )


def test_what_follows_from_other_columns_follows_from_them():
    """Every value has five patients or more, so that each leaf can be pure: of few values and many, of text by a
    number and a number by text that stands in another order."""
    train = stays()
    for first, second in (
        ("ward", "floor"),
        ("floor", "double"),
        ("site", "site_no"),
        ("site_no", "site"),
    ):
        assert train[first].value_counts().min() >= 5
        pairs = lambda frame, both=(first, second): set(
            frame[list(both)].itertuples(index=False, name=None)
        )
        drawn = cart(train[[second, "death", first]], 3000, 1)
        assert pairs(drawn) == pairs(train)


def test_what_is_missing_together_is_so():
    """And as often in each ward: 6 shares, 4 standard errors, below 1 in 2,000 over all."""
    train, n = stays(4000), 6000
    drawn = cart(train, n, 1)
    absent = drawn[["hdl", "hdl_day", "by"]].isna()
    assert (absent.all(axis=1) == absent.any(axis=1)).all()
    for shares in (
        lambda f: f["hdl"].isna().groupby(f["ward"], observed=True).mean(),
        lambda f: f["death"].groupby(f["ward"], observed=True).mean(),
    ):
        wanted, found = shares(train), shares(drawn)
        error = 4 * (wanted * (1 - wanted) / (n / 4)) ** 0.5
        assert ((found - wanted).abs() < error).all()


def test_a_leaf_of_all_rows_makes_columns_independent():
    """As `marginals`: 4 standard errors, 8 of them, below 1 in 1,500; leaves of five keep what this loses."""
    train, n = stays(), 8000
    drawn = cart(train, n, 1, leaf=len(train))
    for column in ("floor", "death"):
        assert drawn[column].mean() == pytest.approx(
            train[column].mean(), abs=4 * train[column].std() / n**0.5
        )
    related = lambda f: [
        f["floor"].corr(f["death"]),
        f["floor"].corr(f["double"]),
        f["death"].corr(f["hdl"].isna()),
    ]
    assert np.abs(related(drawn)).max() < 4 / n**0.5
    kept = related(cart(train, n, 1))
    assert np.abs(kept).min() > 0.08
    np.testing.assert_allclose(kept, related(train), atol=4 / n**0.5)


@pytest.mark.parametrize("leaf", [2, 5])
def test_a_cell_is_one_of_so_many_patients(leaf):
    """Of each x, 100 times drawn, come at least `leaf` of the y: one of up to nine is not seen once in 300."""
    x = np.arange(40.0)
    train = pd.DataFrame({"x": x * 1.5, "y": x**2})
    drawn = cart(train, 4000, 0, leaf=leaf)
    different = drawn.groupby("x")["y"].nunique()
    assert leaf <= different.min() < 2 * leaf and different.max() < 2 * leaf


def test_numbers_of_many_values_keep_their_relation_and_dates_their_order():
    """Spearman within 4 / sqrt(n); text dates, day first, would sort otherwise."""
    rng, n = np.random.default_rng(0), 3000
    day = rng.integers(0, 900, n)
    train = pd.DataFrame(
        {
            "day": (pd.Timestamp("2020-01-01") + pd.to_timedelta(day, unit="D")).strftime(
                "%d.%m.%Y"
            ),
            "cost": np.exp(day / 100 + rng.normal(0, 1, n)).round(2),
        }
    )
    train.loc[rng.random(n) < 0.1, "cost"] = np.nan
    drawn = cart(train, n, 1)
    number = lambda f: f.assign(day=pd.to_datetime(f["day"], format="%d.%m.%Y").astype("int64"))
    relation = lambda f: number(f).corr("spearman").loc["day", "cost"]
    assert relation(train) > 0.8
    assert relation(drawn) == pytest.approx(relation(train), abs=4 / n**0.5)
    assert (
        drawn["day"].isin(train["day"]).all() and drawn["cost"].dropna().isin(train["cost"]).all()
    )


@pytest.mark.parametrize("n, codes", [(60, 4), (2000, 30)])
def test_patients_have_as_many_codes_as_real_ones(n, codes):
    """In vocabularies of few codes too, where leaves run out of codes. 4 standard errors of each number, of which
    there are at most 12: 1 in 1,300."""
    rng, m = np.random.default_rng(0), 4000
    bits = rng.random((n, codes)) < np.geomspace(0.7, 0.02, codes)
    bits[:, -1] |= ~bits.any(axis=1)
    drawn = cart(long_frame(bits, np.arange(n), [f"C{j}" for j in range(codes)]), m, 1)
    assert not drawn.duplicated().any() and drawn["subject_id"].nunique() == m
    real = np.bincount(bits.sum(1)) / n
    found = np.bincount(drawn.groupby("subject_id").size(), minlength=len(real)) / m
    assert len(found) == len(real) and (found[real == 0] == 0).all()
    assert (np.abs(found - real) <= 4 * (real * (1 - real) / m) ** 0.5).all()


def test_codes_that_exclude_each_other_do():
    """Patients of two kinds, told apart by a code that all of a kind have, each with four more of its kind. A leaf of
    five may hold both kinds: of one patient in a hundred, where codes drawn alone would mix in nearly all."""
    rng = np.random.default_rng(0)
    bits = np.zeros((1000, 40), np.int8)
    for i in range(1000):
        first = 20 * (i % 2)
        bits[i, [first, *(first + 1 + rng.choice(19, 4, replace=False))]] = 1
    names = [f"{'A' if j < 20 else 'B'}{j}" for j in range(40)]
    drawn = cart(long_frame(bits, np.arange(1000), names), 2000, 0)
    kinds = drawn.groupby("subject_id")["code"].agg(lambda c: c.str[0].nunique())
    assert kinds.eq(1).mean() > 0.99
    assert drawn["code"].nunique() == 40 and drawn.groupby("subject_id").size().eq(5).all()


def having(records, code, **among):
    """The share of those patients who have the code."""
    static, events = records.static, records.events
    held = events.loc[events["code"] == code, "subject_id"]
    for name, value in among.items():
        static = static[static[name] == value]
    return static["subject_id"].isin(held).mean()


def nothing(records):
    return 1 - records.events["subject_id"].nunique() / len(records)


def test_codes_go_with_the_table():
    """Of `subjects` six women in ten have F, and one man in a hundred; eight in ten of ward a have A; some have none. 4
    standard errors of the difference of two samples, 5 shares, 1 in 3,000."""
    train, n = subjects(3000), 3000
    drawn = cart(train, n, 1)
    assert list(drawn.static.columns) == list(train.static.columns)
    assert drawn.static.dtypes.to_dict() == train.static.dtypes.to_dict()
    assert drawn.events.dtypes.to_dict() == train.events.dtypes.to_dict()
    assert set(drawn.events["subject_id"]) < set(drawn.static["subject_id"])
    assert not drawn.events.duplicated().any()
    groups = ("F", {"sex": "f"}), ("F", {"sex": "m"}), ("A", {"ward": "a"}), ("A", {"ward": "b"})
    shares = [(having(train, code, **who), having(drawn, code, **who)) for code, who in groups]
    for p, found in [*shares, (nothing(train), nothing(drawn))]:
        assert abs(found - p) < 4 * (2 * p * (1 - p) / (n / 3)) ** 0.5
    assert shares[0][0] > 0.5 and shares[1][0] < 0.02 and nothing(train) > 0.1
    again, other = cart(train, 200, 3), cart(train, 200, 4)
    pd.testing.assert_frame_equal(again.events, cart(train, 200, 3).events)
    assert not again.events.equals(other.events) and not again.static.equals(other.static)


def test_records_of_one_part_come_back_as_records():
    train = subjects(100)
    alone = cart(Records(train.static), 20, 0)
    assert alone.events is None and len(alone.static) == 20
    coded = cart(Records(events=train.events), 20, 0)
    assert coded.static is None and coded.events["subject_id"].nunique() == 20
    assert len(copula(Records(train.static), 20, 0)) == 20
    with pytest.raises(DataError, match="or take cart, which draws both"):
        copula(train, 20, 0)


def test_a_list_longer_than_enough_patients_have_is_filled_from_everybody():
    """Four patients have the same fourteen of forty codes, all others three: a tree would have to copy these."""
    rng = np.random.default_rng(0)
    names = [f"C{j:02}" for j in range(40)]
    bits = np.zeros((800, 40), np.int8)
    for row in bits:
        row[rng.choice(40, 3, replace=False)] = 1
    bits[:4] = np.arange(40) % 3 == 0
    drawn = cart(long_frame(bits, np.arange(800), names), 6000, 0)
    lists = drawn.groupby("subject_id")["code"].agg(tuple)
    long = lists[lists.str.len() > 3]
    assert set(long.str.len()) == {14} and len(long) > 10
    assert tuple(names[::3]) not in set(long)
    assert long.explode().isin(names[::3]).mean() < 0.5  # a third and a little more, of everybody's


def test_rare_codes_stay_rare():
    """Patients have 1 to 20 of 200 codes: a list that ran to the rarest once would stay there. As many are of the rarer
    half, and of the rarest quarter, as are of real ones, within 5 standard errors of two counts: 1 in 800,000."""
    rng, n = np.random.default_rng(0), 3000
    many = rng.integers(1, 21, n)
    often = 1 / np.arange(1, 201)
    bits = np.zeros((n, 200), np.int8)
    for row, held in zip(bits, many, strict=True):
        row[rng.choice(200, held, replace=False, p=often / often.sum())] = 1
    drawn = cart(long_frame(bits, np.arange(n), [f"C{j:03}" for j in range(200)]), n, 0)
    place = np.argsort(np.argsort(-bits.sum(0), kind="stable"))[drawn["code"].str[1:].astype(int)]
    counts = np.sort(bits.sum(0))[::-1]
    for first in (100, 150):
        real = counts[first:].sum()
        assert abs((place >= first).sum() - real) < 5 * (2 * real) ** 0.5


def test_bands_are_of_enough_patients():
    from jaxehr.baselines.cart import _bands

    having = np.array([3, 40, 50, 0, 30, 9, 4, 1])
    assert _bands(having, 14).tolist() == [3, 3, 2, 2, 1, 0, 0, 0]
    assert _bands(having, 40).tolist() == [2, 2, 1, 1, 0, 0, 0, 0]
    assert set(_bands(having, 45)) == {0}  # the lowest would be 43


ORDERS = {
    "names column 'ward' twice": ("ward", "floor", "ward"),
    "'wrd', which is no column of the table; it has ward, floor": ("wrd",),
    "'id', an id, which is not learnt": ("id", "ward"),
}


@pytest.mark.parametrize("said", ORDERS)
def test_an_order_that_cannot_be_is_refused(said):
    with pytest.raises(DataError, match=said):
        cart(stays(50), 10, 0, order=ORDERS[said])


def test_the_order_is_that_of_drawing_and_not_of_the_columns():
    """Only the last column of an order that ends in it can follow from all others."""
    train = stays(300)
    drawn = cart(train, 50, 0, order=("hdl", "death"))
    assert list(drawn.columns) == list(train.columns)
    assert not drawn.equals(cart(train, 50, 0))
    natural = [name for name in train if name != "id"]
    pd.testing.assert_frame_equal(cart(train, 50, 0, order=natural), cart(train, 50, 0))


@pytest.mark.parametrize("leaf", [1, 0, -3])
def test_a_leaf_of_one_is_refused(leaf):
    with pytest.raises(ValueError, match=f"since one of 1 copies; got {leaf}"):
        cart(stays(50), 10, 0, leaf=leaf)


def said(capsys, *command):
    """The one line of a command that is refused, and leaves no file."""
    capsys.readouterr()
    assert main(["baseline", *command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_table_on_the_command_line(tmp_path, capsys, monkeypatch):
    """Cells keep their spelling."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = {
        f"{rng.integers(1, 28):02}.03.2020,0{rng.integers(70, 73)},{rng.integers(9)}.50"
        for _ in range(300)
    }
    (tmp_path / "in.csv").write_text("seen,place,dose\n" + "\n".join(sorted(rows)) + "\n")
    draw = ["cart", "--data", "in.csv", "-n", "80", "--out", "out.csv"]
    assert main(["baseline", *draw, "--order", "place,dose", "--leaf", "10"]) == 0
    real, drawn = (
        [line.split(",") for line in (tmp_path / f).read_text().split()]
        for f in ("in.csv", "out.csv")
    )
    for real_column, column in zip(zip(*real, strict=True), zip(*drawn, strict=True), strict=True):
        assert set(column) <= set(real_column)
    (tmp_path / "out.csv").unlink()
    assert "at least 2 patients" in said(capsys, *draw, "--leaf", "1")
    assert "names column 'place' twice" in said(capsys, *draw, "--order", "place,place")
    assert "--leaf is of cart, which grows trees; copula has none" in said(
        capsys, "copula", *draw[1:], "--leaf", "9"
    )
    assert "--out-events is for codes" in said(capsys, *draw, "--out-events", "e.csv")
    assert not (tmp_path / "out.csv").exists()


def test_both_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = subjects(200)
    write_records(train.static, "s.csv")
    write_records(train.events, "e.csv")
    draw = ["cart", "--data", "s.csv", "--events", "e.csv", "-n", "40", "--out"]
    assert main(["baseline", *draw, "a.csv", "--out-events", "b.csv"]) == 0
    assert main(["baseline", *draw, "folder"]) == 0
    static, events = read_records("a.csv"), read_records("b.csv")
    assert len(static) == 40 and set(events["subject_id"]) <= set(static["subject_id"])
    assert len(read_meds("folder")) == 40
    assert "say --out-events FILE for the codes beside c.csv" in said(capsys, *draw, "c.csv")
    assert "or take cart" in said(capsys, "copula", *draw[1:], "other")
    assert not (tmp_path / "c.csv").exists() and not (tmp_path / "other").exists()
