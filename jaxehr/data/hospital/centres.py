"""About what the worlds lie: a named clinic, whose numbers each world moves a little."""

from typing import NamedTuple

from jaxehr.data.lives import DEATH

SEXES = ("female", "male")
SMOKING = ("never", "former", "current")
GROUPS = ("A", "B", "C")
REGIONS = ("north", "east", "south", "west")
VISITS = ("VISIT//outpatient", "VISIT//inpatient")
REFERENCE_AGE = 60.0


class Condition(NamedTuple):
    """A state that begins once and stays.

    rate       beginnings in 1000 years of life at 60, of a woman of group A who never smoked and has nothing
    slope      of the log hazard, per year of age
    male, former, current, group_b, group_c    log hazard ratios
    causes     log hazard ratios of the other conditions
    """

    code: str
    rate: float
    slope: float
    male: float = 0.0
    former: float = 0.0
    current: float = 0.0
    group_b: float = 0.0
    group_c: float = 0.0
    causes: dict[str, float] = {}


CARDIAC = {"hypertension": 0.5, "diabetes": 0.6, "lipids": 0.6}
DISEASES = {
    "obesity": Condition("ICD10//E66.9", 8, 0.012, 0.0, 0.2, -0.2, 0.5, -0.5),
    "hypertension": Condition(
        "ICD10//I10", 18, 0.05, 0.2, 0.1, 0.1, 0.6, 0.0, {"obesity": 0.8}
    ),
    "diabetes": Condition(
        "ICD10//E11.9", 4, 0.045, 0.3, 0.1, 0.3, 0.5, 0.7, {"obesity": 1.2, "hypertension": 0.4}
    ),
    "lipids": Condition(
        "ICD10//E78.5", 14, 0.04, 0.2, 0.0, 0.1, -0.2, 0.2, {"obesity": 0.5, "diabetes": 0.4}
    ),
    "copd": Condition("ICD10//J44.9", 1.5, 0.07, 0.1, 1.2, 2.0),
    "depression": Condition("ICD10//F32.9", 6, 0.01, -0.6, 0.2, 0.4, -0.2, -0.3),
    "ischaemic": Condition("ICD10//I25.1", 2.5, 0.06, 0.8, 0.3, 0.8, 0.0, 0.3, CARDIAC),
    "kidney": Condition(
        "ICD10//N18.9", 3, 0.07, 0.1, 0.1, 0.3, 0.4, 0.2, {"hypertension": 0.7, "diabetes": 0.9}
    ),
    "fibrillation": Condition(
        "ICD10//I48.9", 2, 0.08, 0.4, 0.1, 0.2, -0.4, -0.3,
        {"obesity": 0.4, "hypertension": 0.4, "ischaemic": 0.5},
    ),
    "stroke": Condition(
        "ICD10//I63.9", 1.5, 0.07, 0.2, 0.2, 0.6, 0.4, 0.2,
        {"hypertension": 0.7, "diabetes": 0.4, "fibrillation": 1.3, "anticoagulant": -0.5},
    ),
    "failure": Condition(
        "ICD10//I50.9", 0.8, 0.08, 0.2, 0.2, 0.4, 0.4, 0.0,
        {"hypertension": 0.6, "ischaemic": 1.2, "kidney": 0.5, "fibrillation": 0.9},
    ),
    "cancer": Condition("ICD10//C34.9", 0.4, 0.07, 0.2, 1.5, 2.5, 0.1, -0.2, {"copd": 0.5}),
}  # fmt: skip
TREATMENTS = {
    "statin": Condition(
        "ATC//C10AA", 4, 0.02, 0.1, 0.1, 0.1, -0.2, 0.0,
        {"lipids": 0.8, "diabetes": 0.8, "ischaemic": 2.2, "kidney": 0.6, "stroke": 1.8,
         "failure": 1.2},
    ),
    "anticoagulant": Condition(
        "ATC//B01A", 0.4, 0.02, 0.1, 0.0, -0.1, -0.2, 0.0, {"fibrillation": 4.0, "stroke": 0.8}
    ),
}  # fmt: skip
MORTALITY = Condition(
    DEATH, 3, 0.09, 0.4, 0.2, 0.7, 0.2, -0.1,
    {"diabetes": 0.4, "copd": 0.6, "ischaemic": 0.7, "kidney": 0.6, "stroke": 0.8, "failure": 1.1,
     "cancer": 2.2, "statin": -0.3},
)  # fmt: skip
CONDITIONS = {**DISEASES, **TREATMENTS}  # all that may begin before death
NAMES = tuple(CONDITIONS)
DIES = len(NAMES)  # the place of death, after theirs


class Lab(NamedTuple):
    """A measurement; where `log` is set, mean, spread and shifts are of its natural logarithm.

    by_decade  change of the mean in ten years of age
    decay      of the correlation of its own factor, per year
    with_first correlation with the first lab at the same time
    ordered    P(ordered) at a visit of who has nothing and an ordinary value
    by_value   log odds ratio of being ordered, for a deviation of one spread
    """

    unit: str
    decimals: int
    log: bool
    mean: float
    spread: float
    male: float
    by_decade: float
    decay: float
    with_first: float
    ordered: float
    by_value: float
    shifts: dict[str, float]
    orders: dict[str, float]


LABS = {
    "creatinine": Lab(
        "mg/dL", 2, True, -0.25, 0.18, 0.2, 0.02, 0.5, 1.0, 0.25, 0.5,
        {"kidney": 0.55, "failure": 0.1}, {"kidney": 1.2, "hypertension": 0.4, "failure": 0.8},
    ),
    "hba1c": Lab(
        "%", 1, False, 5.4, 0.4, 0.05, 0.08, 0.7, 0.2, 0.12, 0.7,
        {"diabetes": 1.6, "obesity": 0.25}, {"diabetes": 2.2, "obesity": 0.6},
    ),
    "ldl": Lab(
        "mg/dL", 0, False, 115.0, 26.0, -3.0, 2.0, 0.4, -0.1, 0.2, 0.4,
        {"lipids": 38.0, "statin": -42.0}, {"lipids": 1.0, "statin": 0.8, "ischaemic": 0.5},
    ),
    "haemoglobin": Lab(
        "g/dL", 1, False, 13.4, 1.0, 1.3, -0.15, 1.0, -0.3, 0.3, -0.6,
        {"kidney": -1.1, "cancer": -1.3}, {"cancer": 1.0, "anticoagulant": 0.8},
    ),
    "bnp": Lab(
        "pg/mL", 0, True, 3.6, 0.6, -0.2, 0.25, 1.5, 0.4, 0.05, 0.9,
        {"failure": 1.7, "fibrillation": 0.6}, {"failure": 2.4, "ischaemic": 0.8},
    ),
    "crp": Lab(
        "mg/L", 1, True, 0.7, 0.8, 0.0, 0.05, 6.0, 0.1, 0.15, 0.8,
        {"obesity": 0.5, "copd": 0.5, "cancer": 1.0}, {"copd": 0.5, "cancer": 0.8},
    ),
}  # fmt: skip

# What is coded at any visit, whatever the state: a cold, pain, a check.
BACKGROUND = {
    "ICD10//J06.9": 0.06,
    "ICD10//M54.5": 0.08,
    "ICD10//R10.4": 0.05,
    "ICD10//N39.0": 0.04,
    "ICD10//R51": 0.03,
    "ICD10//K21.9": 0.05,
    "ICD10//Z00.0": 0.1,
    "ICD10//L30.9": 0.02,
}
SENSITIVITY = 0.6  # P(coded at a visit | there)
FALSE = 0.004  # P(coded at a visit | not there)
RENEWED = 0.8  # P(the drug is written at a visit | taken)

# What the codes of conditions and of the background stand for.
ABOUT = {
    "ICD10//E66.9": "obesity",
    "ICD10//I10": "hypertension",
    "ICD10//E11.9": "type 2 diabetes",
    "ICD10//E78.5": "hyperlipidaemia",
    "ICD10//J44.9": "chronic obstructive pulmonary disease",
    "ICD10//F32.9": "depressive episode",
    "ICD10//I25.1": "ischaemic heart disease",
    "ICD10//N18.9": "chronic kidney disease",
    "ICD10//I48.9": "atrial fibrillation",
    "ICD10//I63.9": "cerebral infarction",
    "ICD10//I50.9": "heart failure",
    "ICD10//C34.9": "lung cancer",
    "ATC//C10AA": "statin",
    "ATC//B01A": "anticoagulant",
    "ICD10//J06.9": "acute upper respiratory infection",
    "ICD10//M54.5": "low back pain",
    "ICD10//R10.4": "abdominal pain",
    "ICD10//N39.0": "urinary tract infection",
    "ICD10//R51": "headache",
    "ICD10//K21.9": "gastro-oesophageal reflux",
    "ICD10//Z00.0": "general examination",
    "ICD10//L30.9": "dermatitis",
}
