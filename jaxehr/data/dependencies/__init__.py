"""What the columns of a table say of each other, found in its rows: equalities, sums, orders, implications."""

from jaxehr.data.dependencies.dependency import Dependency as Dependency
from jaxehr.data.dependencies.find import WIDE as WIDE
from jaxehr.data.dependencies.find import dependencies as dependencies
