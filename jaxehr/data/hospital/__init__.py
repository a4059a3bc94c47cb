"""A hospital of known law: fresh patients without end, and what is true of them beside.

A world (its parameters, drawn from the world's seed; `world.World` names each) and a cohort of it (drawn from the
cohort's seed) are apart. Ages are in years of 365.25 days; everything below is exact in continuous time, on no grid.

Static facts. sex ~ Bernoulli(male); smoking ~ P(. | sex); group and region independent of all else; age at entry
  A = 20 + 70 Beta(a, b); the day of entry uniform in 2010 to 2014; the record ends at death or F years after
  entry, F ~ U(2, 10).
Conditions. Twelve diseases and two treatments begin once and stay. With s the state (0 or 1 of each) and x the static
  terms (male, former smoker, current smoker, group B, group C), condition j begins at age a with the hazard
    h_j(a | x, s) = rate_j exp(slope_j (a - 60) + static_j . x + effect_j . s)        (a year)
  from birth on. Death has such a hazard from entry on, and none before: nobody dies before entry. Competing risks all
  run at once: (s, dead) is a Markov chain in age, on 2^14 states and death.
Treatments. Whoever is ill is treated more: effect of diseases on a treatment's hazard. A statin multiplies the hazard
  of death by exp(effect[death, statin]), an anticoagulant that of stroke. Treated and untreated differ by their
  illness, so the naive contrast is wrong; `truths.effect` has both.
Visits. One at entry; then a Poisson process of rate visits x regional[region] x (1 + burdened x number of diseases);
  inpatient with log odds inpatient[0] + inpatient[1] x number of diseases.
Codes. At each visit a disease's code is written with P = sensitivity if it is there and `false` if not; a background
  code with P = background; a drug that is taken with P = renewed, and always when it is begun. All independent.
Labs. L factors w_f, each a stationary Ornstein-Uhlenbeck process: w_f(t + d) = exp(-decay_f d) w_f(t) + e,
  e ~ N(0, 1 - exp(-2 decay_f d)). The deviations z = mixing @ w have variance 1, and
    corr(z_l(t), z_m(t + d)) = sum_f mixing_lf mixing_mf exp(-decay_f d).
  The value is mean_l + by_male_l male + by_decade_l (a - 60) / 10 + shift_l . s + spread_l z_l, of creatinine, bnp and
  crp its exponential; it is written rounded.
Orders. At a visit a lab is measured with log odds order_l + order_by_l . s + order_value_l z_l: what is missing depends
  on the disease and on the very value that is missing.

`truths`, and of two visits `twice`, hold what follows from this without drawing, `labels` what can be known at best,
`cohort` all that is hidden.
"""

import pandas as pd

from jaxehr.data.hospital.cohort import BLOCK, Do, cohorts
from jaxehr.data.hospital.events import tables_of
from jaxehr.data.hospital.world import World
from jaxehr.data.records import Records


def hospital(n: int, seed: int = 0, *, world: int | World = 0, do: Do | None = None) -> Records:
    """n patients: static facts, and dated events from birth to death or the end of the record, sorted.

    seed   of the cohort; the first m of n patients are the same for every n
    world  seed of the law, or a World
    do     what is set whatever the law says of it: as of `cohort.cohorts`

    The labs' numeric_value is in the unit that their code names. Raises DataError for numbers that cannot be.
    """
    tables = [
        tables_of(part, first=1 + BLOCK * block)
        for block, part in enumerate(cohorts(n, seed, world=world, do=do))
    ]
    static, events = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return Records(static, events)
