"""What tells who a patient is: identifiers by their names, row numbers, and text that names a person."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd

LAST = {"id", "ids", "nbr", "nr", "no", "number", "num", "key", "mrn", "uid", "uuid", "guid", "ssn"}
ALONE = {"patient", "subject", "index", "row", "rowname", "rownames", "rownum", "unnamed", "nhs"}
WHOSE = {
    *("patient", "pat", "subject", "subj", "person", "participant", "member", "client", "case"),
    *("encounter", "enc", "visit", "admission", "hadm", "stay", "icustay", "record", "rec", "nhs"),
}
IN_ONE_WORD = re.compile(
    rf"\w*({'|'.join(sorted(WHOSE - {'rec', 'pat', 'enc'}))})(id|nr|no)|(usubj|rand|pat|study|(unique)?p|u|s)(id|nr)"
)

PEOPLE = {"surname", "forename", "firstname", "lastname", "fullname", "vorname", "nachname"}
BEFORE_NAME = {"first", "last", "middle", "family", "given", "full", "maiden", "birth", *WHOSE}
ADDRESS = {"address", "street", "strasse", "straße", "adresse"}
CONTACT = {"phone", "telephone", "telefon", "tel", "mobile", "fax", "cell", "handy"}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w{2,}")
PHONE = re.compile(r"\+\d[\d ()/.-]{6,}|\(\d{2,5}\)[\d /.-]{5,}|\d{3}[ .-]\d{3}[ .-]\d{4}")
SOCIAL = re.compile(r"\d{3}-\d{2}-\d{4}")
PERSON = re.compile(r"[A-Z][a-zß-ÿ'-]+,? (?:[A-Z]\. )?[A-Z][a-zß-ÿ'-]+")


def named_like_id(name: str) -> bool:
    """By whole words: patient_id, Pat-Nr, subjectID, RANDID and no name at all; not total_paid or fluid."""
    words = words_of(name)
    if not words or "".join(words) in ALONE or words[0] in ("unnamed", "id"):
        return True
    return words[-1] in LAST or IN_ONE_WORD.fullmatch("".join(words)) is not None


def names_patients(name: str) -> bool:
    """The identifier of a patient or a stay, rather than of a ward, a hospital or a kind of admission."""
    words = words_of(name)
    if "".join(words) in ("id", "mrn", "patient", "subject"):
        return True
    pairs = pairwise(words)
    of_whom = any(
        (a in WHOSE and b in LAST and b == words[-1]) or (a == "id" and b in WHOSE)
        for a, b in pairs
    )
    return of_whom or IN_ONE_WORD.fullmatch("".join(words)) is not None


def numbers_rows(numbers: np.ndarray) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ... down the file."""
    first = numbers[0] if len(numbers) >= 20 else -1
    return first in (0, 1) and bool((numbers == np.arange(len(numbers)) + first).all())


def numbers_people(numbers: np.ndarray) -> bool:
    """All different whole numbers of at least 8 digits, as many in all of them: NHS numbers and their like.

    numbers     whole, none missing
    """
    if len(numbers) < 20 or numbers.min() < 10**7:
        return False
    return len(set(np.floor(np.log10(numbers[[numbers.argmin(), numbers.argmax()]])))) == 1


def who_is_told(name: str, texts: pd.Series) -> str:
    """What of a person the texts tell, in words: "" where nothing.

    texts   the values of a column, none of them missing
    """
    words = words_of(name)
    distinct = texts.drop_duplicates()
    if len(distinct) <= 2:
        return ""
    sample = distinct.iloc[:: max(len(distinct) // 1000, 1)]
    share = lambda pattern: sample.str.strip().str.fullmatch(pattern).fillna(False).mean()
    if share(EMAIL) > 0.5:
        return "e-mail addresses"
    if share(SOCIAL) > 0.5:
        return "social security numbers"
    if share(PHONE) > 0.5 or (CONTACT & set(words) and share(re.compile(r"[\d ()/+.-]+")) > 0.5):
        return "telephone numbers"
    many = len(distinct) > 20
    if many and ADDRESS & set(words):
        return "addresses"
    called = "".join(words) in PEOPLE | {"name"} or bool(PEOPLE & set(words))
    called |= any(a in BEFORE_NAME and b == "name" for a, b in pairwise(words))
    if many and (called or (len(distinct) > len(texts) / 2 and share(PERSON) > 0.8)):
        return "names of people"
    return ""


def words_of(name: str) -> list[str]:
    """Of a column's name, in small letters: at capitals, digits, spaces and signs a new one begins."""
    found = re.findall(r"[A-ZÄÖÜ]+(?![a-zß-ÿ])|[A-ZÄÖÜ]?[a-zß-ÿ]+|\d+", str(name))
    return [word.lower() for word in found]
