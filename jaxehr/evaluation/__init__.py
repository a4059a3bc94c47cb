"""One standard evaluation of synthetic records. It sees data frames only, never a model."""

from jaxehr.evaluation.comparison import Comparison as Comparison
from jaxehr.evaluation.evaluate import evaluate as evaluate
from jaxehr.evaluation.report import Metric as Metric
from jaxehr.evaluation.report import Report as Report
