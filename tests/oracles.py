"""Problems whose answer is known in closed form."""

from jaxehr.benchmark import four_columns

CLINIC = four_columns()
