"""Recipes and baselines beside each other on the codes of Diabetes-130: 71,517 patients x 902 codes, in two halves.

Command     python experiments/compare_codes.py --data diabetic_data.zip --minutes 4 [--only NAME ...]
Choice      4 minutes of training on one CPU core, settings for so short a training in comparison.py; one seed. 10,000
            drawn. TSTR predicts heart failure (DIAG//428). codes present is of 5 or more real patients.
Time        CPU seconds of the process on one of 2 shared cores, compilation included; a minute and a half to judge.

              prevalence    codes   codes per  detection  TSTR    largest rule  closer    exact copies       train  ms a
              Spearman     present   patient      AUC     AUROC      excess     to train    beyond    steps   s  record
  marginals     .933       94.3%      4.97       .667     .541       .044        .503         .005                   .01
  bootstrap     .944       95.9%      4.97       .492     .765       .005        .621         .240                   .00
  smote         .922       90.8%      4.40       .566     .759       .000        .608         .140                   .31
  copula        .948       95.3%      5.00       .526     .741       .021        .505         .003                   .23
  masked        .939       96.9%      5.03       .620     .709       .058        .500         .005    4,600    241  3.84
  ehrdiff       .879      100.0%      5.37       .527     .743       .013        .505         .000    6,200    305  1.79
  tabddpm       .876       89.6%      5.01       .626     .708       .042        .501         .001    3,400    165  5.27
  ddpm          .903       94.6%      4.94       .572     .736       .015        .501        -.001    6,100    309 11.76
  ddim          .886       93.6%      5.02       .592     .736       .037        .502        -.005    4,600    232  4.31
  score_sde     .881       95.7%      5.21       .623     .748       .027        .498         .002    4,600    233 20.75
  .. sub_vp     .887       95.3%      5.37       .638     .722       .041        .497         .002    4,500    236 19.73
  .. ve         .909       96.2%      5.31       .610     .745       .030        .501        -.003    6,300    314 19.94
  ncsn          .926       98.8%      6.13       .675     .743       .011        .500        -.001    6,000    307 49.87
  vae           .940       93.6%      4.75       .540     .743       .000        .508        -.001   12,900    217   .19
  gan           .892       90.3%      4.80       .547     .730       .000        .508         .004   10,000    244   .22
  real held out .936       96.4%      4.93       .496     .759       .004        .510        -.001

With their own batches, 512 and 1,024, masked had Spearman .940, detection .675 and TSTR .526 after 600 steps, EHRDiff
.758, .607 and .688 after 300. Longer: masked_diabetes130_codes.py, ehrdiff_diabetes130_codes.py. The gan's steps are
the critic's, after 2,000 of its autoencoder. With the noise predicted for all columns, by a network with a skip for
each, ddpm had Spearman .401, 8% of the codes, 2.79 a patient, detection .917 and TSTR .621 after 3,600 steps; ddim,
ncsn and the score SDEs the like (8% to 10% of the codes, detection .909 to .923).

Judge       The table above is by an earlier, blunter judge of detection, with codes that fewer than 11 patients have
            learnt. Made anew with about the same steps and what is done today, in the same columns:

    marginals     .933   94.3%   4.97   .889   .541   .044   .503   .005                0.01
    bootstrap     .944   95.8%   4.97   .502   .765   .005   .621   .240                0.00
    smote         .925   90.1%   4.39   .678   .757   .000   .607   .145                0.19
    copula        .948   95.3%   5.00   .821   .741   .021   .504   .003                0.15
    cart          .945   96.4%   4.97   .541   .746   .000   .572   .101                0.08
    masked        .943   76.0%   4.91   .844   .728   .052   .504   .003    6,500  223  2.68
    ehrdiff       .941   76.3%   5.24   .817   .756   .000   .503   .002    5,700  243  1.52
    tabddpm       .932   74.6%   4.94   .853   .721   .038   .497   .001    3,400   70  1.59
    ddpm          .938   75.4%   4.86   .810   .734   .021   .499   .001    6,100  112  2.87
    ddim          .939   75.6%   4.98   .817   .742   .003   .497   .003    4,600   91  1.14
    vae           .940   75.1%   4.75   .792   .754   .027   .503   .002   12,900   96  0.13
    gan           .927   73.0%   4.80   .836   .734   .017   .508   .004   10,000   77  0.15
    meddiff       .803   76.3%   4.68   .989   .520   .454   .504   .000    1,100  244 31.73
    scoehr        .940   76.1%   4.60   .896   .707   .047   .508   .000    1,200  230 10.62
    real held out .936   96.4%   4.93   .500   .759   .004   .510   -.001

MedDiff, a U-Net of 8 channels over the codes as they stand, has Pearson .733: it is far from trained. ScoEHR is of 16
channels, drawn with the decoded probabilities by DPM-Solver++ 2M in 20 evaluations; its training is that of
scoehr_diabetes130_codes.py, which took the 230 s.
"""

from pathlib import Path

from comparison import SETTINGS, compare, options_of
from halves import halves

from jaxehr.data import diabetes130_codes
from jaxehr.evaluation.rules.rule_file import starter_rules

LABEL = "DIAG//428"  # heart failure
# Rounding, as EHRDiff does it, loses rare codes.
OF_CODES = {**SETTINGS, "ehrdiff": {**SETTINGS["ehrdiff"], "posterior_sigma": 0.3}}


def main() -> None:
    options = options_of(__doc__, Path("runs/compare_codes"))
    train, holdout = halves(diabetes130_codes(options.data))
    compare(train, holdout, options, label=LABEL, rules=starter_rules("codes"), settings=OF_CODES)


if __name__ == "__main__":
    main()
