"""Every recipe and every baseline on the table of Diabetes-130: 71,518 first encounters, in two halves."""

from pathlib import Path

from comparison import compare, options_of

from jaxehr.data import diabetes130_table
from jaxehr.evaluation.rule_file import read_rules

LABEL = "readmitted"
RULES = Path(__file__).with_name("diabetes130_rules.toml")


def main() -> None:
    options = options_of(__doc__, Path("runs/compare_tables"))
    table = diabetes130_table(options.data).sample(frac=1, random_state=0).reset_index(drop=True)
    half = len(table) // 2
    train, holdout = table[:half], table[half : 2 * half].reset_index(drop=True)
    compare(train, holdout, options, label=LABEL, rules=read_rules(RULES), settings={})


if __name__ == "__main__":
    main()
