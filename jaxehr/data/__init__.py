"""Records on the host: schemas and files. NumPy and pandas only."""

from jaxehr.data.codes import code_matrix as code_matrix
from jaxehr.data.codes import drop_rare as drop_rare
from jaxehr.data.codes import long_frame as long_frame
from jaxehr.data.hints import Hint as Hint
from jaxehr.data.hints import broken_constraints as broken_constraints
from jaxehr.data.hints import hints as hints
from jaxehr.data.open_data import diabetes130_codes as diabetes130_codes
from jaxehr.data.open_data import diabetes130_encounters as diabetes130_encounters
from jaxehr.data.open_data import diabetes130_table as diabetes130_table
from jaxehr.data.open_data import nafld as nafld
from jaxehr.data.read import read_records as read_records
from jaxehr.data.read import read_texts as read_texts
from jaxehr.data.records import Records as Records
from jaxehr.data.schema import Column as Column
from jaxehr.data.schema import DataError as DataError
from jaxehr.data.schema import Inequality as Inequality
from jaxehr.data.schema import Range as Range
from jaxehr.data.schema import Schema as Schema
from jaxehr.data.write import records_writer as records_writer
from jaxehr.data.write import write_records as write_records
