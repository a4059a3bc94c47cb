"""One standard evaluation of synthetic records. It sees records only, never a model."""

from jaxehr.evaluation.evaluate import evaluate as evaluate
from jaxehr.evaluation.measures.metric import Metric as Metric
from jaxehr.evaluation.report.comparison import Comparison as Comparison
from jaxehr.evaluation.report.report import Report as Report
