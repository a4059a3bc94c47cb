"""Every metric by name: its pillar, which way is better, and what it says in a sentence."""

import math
from functools import partial
from typing import NamedTuple

from jaxehr.evaluation.measures.metric import Better, Pillar

ANY = (-math.inf, math.inf)
COUNT = (0.0, math.inf)
DIFFERENCES = (-1.0, 1.0)


class Entry(NamedTuple):
    """reach: what the figure can be, from and to."""

    pillar: Pillar
    better: Better
    ideal: float
    about: str
    reach: tuple[float, float] = (0.0, 1.0)


_error = partial(Entry, "fidelity", "lower", 0.0)
_agreement = partial(Entry, "fidelity", "higher", 1.0)
_near = partial(Entry, "fidelity", "closer")
_useful = partial(Entry, "utility", "higher", 1.0)
_excess = partial(Entry, "privacy", "closer", 0.0)
_leak = partial(Entry, "privacy", "lower", 0.0)

CODES = {
    "prevalence_pearson": _agreement(
        "Correlation of code prevalences. Common codes dominate it.", DIFFERENCES
    ),
    "prevalence_spearman": _agreement(
        "Rank correlation of code prevalences: rare codes count as much.", DIFFERENCES
    ),
    "prevalence_slope": _near(
        1.0, "Slope of synthetic on real prevalence: below 1 is too little.", ANY
    ),
    "prevalence_gap": _error("Mean absolute difference of prevalences."),
    "log_odds_gap": _error("Mean absolute difference of the log odds of having a code.", COUNT),
    "log_odds_gap_rare": _error("The same for codes below 1%.", COUNT),
    "log_odds_gap_medium": _error("The same for codes of 1% to 10%.", COUNT),
    "log_odds_gap_common": _error("The same for codes above 10%.", COUNT),
    "codes_present": _agreement(
        "Share of the codes of 5 or more real patients that appear at all."
    ),
    "rare_codes_kept": _agreement(
        "Of those below 1%: the share between half and twice as frequent."
    ),
    "codes_per_patient": _near(0.0, "Mean number of codes of a patient.", COUNT),
    "codes_per_patient_distance": _error(
        "Wasserstein distance of the numbers of codes, in codes.", COUNT
    ),
}
PAIRS = {
    "trend_error": _error("Mean distance of the relation of two columns, from 0 to 1."),
    "pair_gap": _error("Mean difference of the correlation of two codes (phi).", (0.0, 2.0)),
    "pair_pearson": _agreement(
        "Correlation of the synthetic phi of two codes with the real one.", DIFFERENCES
    ),
    "column_code_gap": _error(
        "Mean difference of the correlation (phi) of a value of a column and a code.", (0.0, 2.0)
    ),
    "column_code_pearson": _agreement(
        "Correlation of the synthetic phi of a value of a column and a code with the real one.",
        DIFFERENCES,
    ),
    "correlation_difference": _error(
        "Frobenius norm of the difference of the correlation matrices.", COUNT
    ),
}
SHAPES = {
    "shape_error": _error("Mean distance of a column's distribution, from 0 to 1."),
}
UNSEEN = {
    "unseen_values": _error("Share of the values of categories that no real patient has."),
}
MISSING = {
    "missing_share_error": _error(
        "Largest difference, over columns, of the share that is missing."
    ),
    "missing_together_error": _error(
        "Mean difference of how two columns are missing together (phi).", (0.0, 2.0)
    ),
    "missing_given_error": _error(
        "How far the values of other columns differ where one is missing."
    ),
}
SUPPORT = {
    "alpha_precision": _agreement("Are synthetic patients as typical and as odd as real ones?"),
    "beta_recall": _agreement("Is there a synthetic patient near every kind of real one?"),
    "coverage": _agreement(
        "Share of real patients that have a synthetic one as near as the fifth real one."
    ),
    "authenticity": _near(
        0.5, "Share farther from the nearest real patient than that one's own kind is."
    ),
    "unique_rows_ratio": _near(1.0, "Distinct patients, over those of as many real ones.", COUNT),
    "spread_ratio": _near(
        1.0, "Distance to the nearest of the same set, over the real one's.", COUNT
    ),
}
DETECTION = {
    "detection_auc": _near(
        0.5, "How well boosting tells a synthetic row from a real one: 0.5 cannot, 1 always."
    ),
    "detection_auc_linear": _near(0.5, "The same by logistic regression."),
    "log_cluster": Entry(
        "fidelity",
        "lower",
        -10.0,
        "Log of how unevenly 20 clusters hold both sets.",
        (-math.inf, 0.0),
    ),
}
MEASURED = {
    "series_missing_by_variable_error": _error(
        "Mean difference, over variables, of the share of steps at which it is not measured."
    ),
    "series_missing_by_step_error": _error("The same for each step of each variable."),
    "series_missing_together_error": _error(
        "Mean difference of how two variables are measured at the same step (phi).", (0.0, 2.0)
    ),
    "series_missing_in_time_error": _error(
        "The same of a variable and any, itself too, a step later.", (0.0, 2.0)
    ),
    "series_measured_at_once_distance": _error(
        "Wasserstein distance of how many variables a step has, in variables.", COUNT
    ),
    "series_gap_distance": _error(
        "Wasserstein distance of the gaps between measurements of a variable, in steps.", COUNT
    ),
    "series_gap_ks": _error("The same by Kolmogorov and Smirnov, from 0 to 1."),
    "series_visit_gap_distance": _error(
        "Wasserstein distance of the gaps between measurements of whatever variable.", COUNT
    ),
    "series_visit_gap_ks": _error("The same by Kolmogorov and Smirnov, from 0 to 1."),
    "series_length_distance": _error("Wasserstein distance of lengths, in steps.", COUNT),
    "series_length_ks": _error("The same by Kolmogorov and Smirnov, from 0 to 1."),
}
CORRELATIONS = {
    "series_autocorrelation_error": _error(
        "Mean difference of a variable's correlation with itself some steps later.", (0.0, 2.0)
    ),
    "series_cross_correlation_error": _error(
        "The same of a variable and another, at the same step and later.", (0.0, 2.0)
    ),
}
POST_HOC = {
    "series_discriminative": _error(
        "How much more often than by a coin a recurrent network tells a course from a real one.",
        (0.0, 0.5),
    ),
    "series_predictive_all": _error(
        "Error of the next values of all variables, in deviations, by a network that learnt from synthetic courses; "
        "the floor learnt from real ones.",
        COUNT,
    ),
    "series_predictive_last": _error(
        "The same of the last variable from the others.",
        COUNT,
    ),
}
PAIRINGS = {
    "tstr": _useful("Trained on synthetic patients, tested on real ones."),
    "trtr": _useful("Trained on as many real patients: what to reach."),
    "trts": _useful("Trained on real patients, tested on synthetic ones."),
    "tsts": _useful("Trained and tested on synthetic patients."),
    "tsrtr": _useful("Trained on synthetic and real patients together, tested on real ones."),
    "tstr_gap": Entry("utility", "lower", 0.0, "What training on synthetic patients costs.", ANY),
}
OUTCOMES = {
    f"series_{name}_auroc": entry._replace(about=f"{entry.about[:-1]}: a network reads the course.")
    for name, entry in PAIRINGS.items()
    if name in ("tstr", "trtr", "tsrtr", "tstr_gap")
}
CALIBRATION = {
    "tstr_ece": Entry(
        "utility", "lower", 0.0, "Calibration error of the model trained on synthetic."
    ),
    "tstr_slope": Entry(
        "utility", "closer", 1.0, "Its calibration slope: below 1 is too bold.", ANY
    ),
}
DOWNSTREAM = {
    "ranking_agreement": _useful(
        "Share of pairs of six learners that both kinds of data order alike."
    ),
    "importance_overlap": _useful("Overlap of the ten features that matter most."),
    "augmentation_gain_25pct": Entry(
        "utility",
        "higher",
        0.0,
        "What adding a quarter as many synthetic patients to real ones brings.",
        ANY,
    ),
    "augmentation_gain_50pct": Entry("utility", "higher", 0.0, "The same for half as many.", ANY),
    "augmentation_gain": Entry("utility", "higher", 0.0, "The same for as many.", ANY),
}
DIMENSIONS = {
    "dimension_pearson": _useful(
        "Columns predicted from the others: agreement of the two AUROCs.", DIFFERENCES
    ),
    "dimension_gap": Entry("utility", "lower", 0.0, "The same: mean AUROC lost.", DIFFERENCES),
}
POLICY = {
    "policy_same_action": _useful(
        "Share of real steps in which a policy learnt on synthetic courses and one learnt on real ones act the same."
    ),
    "policy_action_overlap": _useful(
        "Overlap of how often the two policies take each action in real steps."
    ),
    "policy_value_pearson": _useful(
        "Correlation of what the two policies expect to gain from real steps on.", DIFFERENCES
    ),
    "policy_value": _useful(
        "What real patients gain, from their first step on, by the policy learnt on synthetic ones.",
        ANY,
    ),
    "policy_value_real": _useful("By the one learnt on real patients: what to reach.", ANY),
    "policy_value_habit": _useful("By what was done.", ANY),
}
COPIES = {
    "copied_rows": _leak("Share of synthetic rows that equal a training row in every cell."),
    "nearly_copied_rows": _leak(
        "Share that equal one in nine cells of ten (of codes: that differ in one code of ten)."
    ),
    "copied_numbers": _leak("Share of numbers that equal one of a single training patient."),
}
PUBLISHED_PRIVACY = {  # without a control: they decide nothing
    "series_published_nnaa": _excess(
        "TIMEDIFF's: |adversarial accuracy of the held out - of those trained on|.", (0.0, 1.0)
    ),
    "series_published_membership_f1": Entry(
        "privacy",
        "lower",
        0.0,
        "TIMEDIFF's: F1 of telling members by a nearest course within .1; calling all members has .667.",
    ),
}
NEAR_COURSES = {
    "series_nnaa_loss": _excess(
        "As nnaa_loss, by the courses in the place of summaries.", DIFFERENCES
    ),
    "series_membership_auc": Entry(
        "privacy", "lower", 0.5, "Who was trained on, by the calibrated nearest course?"
    ),
}
NEIGHBOURS = {
    "share_closer_to_train": Entry(
        "privacy",
        "closer",
        0.5,
        "Share nearer to a training patient than to any of as many held out; ties split.",
    ),
    "exact_copies_excess": _excess(
        "Share that equals a training patient, beyond a held-out one.", DIFFERENCES
    ),
    "near_copies_excess": _excess(
        "Share that all but equals a training patient, beyond held-out.", DIFFERENCES
    ),
    "lone_copies_excess": _excess(
        "Copies of training patients like no other, beyond those of held-out ones.", DIFFERENCES
    ),
    "nnaa_loss": _excess(
        "How much harder synthetic patients are told from those trained on than from those held out, by "
        "who is nearest to whom (nearest-neighbour adversarial accuracy); 0 is no difference.",
        DIFFERENCES,
    ),
    "identifiability_loss": _excess(
        "Share whose nearest is synthetic, trained on minus held out.", DIFFERENCES
    ),
}
ATTACKS = {
    "copied_numbers_excess": _leak(
        "Numbers of a single training patient, beyond those of a single held-out one.", DIFFERENCES
    ),
    "attribute_inference_excess": _leak(
        "Hidden values guessed, beyond what is guessed of held-out patients.", (-math.inf, 1.0)
    ),
    "singling_out_excess": _leak(
        "Conditions that single out a training patient, beyond held-out.", (-math.inf, 1.0)
    ),
    "linkability_excess": _leak(
        "Halves of a patient linked through one synthetic record, likewise.", (-math.inf, 1.0)
    ),
}
MEMBERSHIP = {
    "auc": Entry("privacy", "lower", 0.5, "Who was trained on? 0.5 cannot be told."),
    "tpr_at_1pct": Entry("privacy", "lower", 0.01, "Members found at 1% of others accused."),
    "tpr_at_01pct": Entry("privacy", "lower", 0.001, "Members found at 0.1% of others accused."),
    "epsilon": _leak("Lower bound (95%) of epsilon by this attack; 0 is no evidence.", COUNT),
}
ATTACKERS = {
    "membership_neighbour": "By the calibrated nearest synthetic patient.",
    "audit_loss": "By the model's losses.",
    "audit_reference": "By its losses less those of a reference model.",
    "audit_second_look": "By what its second look takes for a record.",
    "membership_kernel": "By the density of synthetic patients over a reference's (DOMIAS).",
}


def entries() -> dict[str, Entry]:
    """All of the above by the names in a report. Scores of a task end in _auroc or _r2, and in _linear."""
    found: dict[str, Entry] = {}
    for part in (SHAPES, CODES, PAIRS, MISSING, UNSEEN, SUPPORT, DETECTION, CALIBRATION):
        found |= part
    found |= {**DOWNSTREAM, **DIMENSIONS, **POLICY, **COPIES, **NEIGHBOURS, **ATTACKS}
    for part in (MEASURED, CORRELATIONS, POST_HOC, OUTCOMES, NEAR_COURSES, PUBLISHED_PRIVACY):
        found |= part
    for name, pairing in PAIRINGS.items():
        for score in ("auroc", "r2"):
            reach = (
                (-math.inf, 1.0) if score == "r2" and pairing.reach == (0.0, 1.0) else pairing.reach
            )
            entry = pairing._replace(reach=reach)
            found[f"{name}_{score}"] = entry
            linear = entry._replace(about=f"{entry.about[:-1]}: linear model.")
            found[f"{name}_{score}_linear"] = linear
    for attacker, way in ATTACKERS.items():
        for name, entry in MEMBERSHIP.items():
            found[f"{attacker}_{name}"] = entry._replace(about=f"{entry.about} {way}")
    return found


ENTRIES = entries()
