"""Records on the host: schemas and files. NumPy and pandas only."""

from jaxehr.data.codes import code_matrix as code_matrix
from jaxehr.data.codes import drop_rare as drop_rare
from jaxehr.data.codes import long_frame as long_frame
from jaxehr.data.codes import say_learnt as say_learnt
from jaxehr.data.events import events_by_subject as events_by_subject
from jaxehr.data.events import read_events as read_events
from jaxehr.data.hints import Hint as Hint
from jaxehr.data.hints import broken_constraints as broken_constraints
from jaxehr.data.hints import hints as hints
from jaxehr.data.layout import layouts as layouts
from jaxehr.data.layout import read_layout as read_layout
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
from jaxehr.data.subjects import read_subjects as read_subjects
from jaxehr.data.write import records_writer as records_writer
from jaxehr.data.write import write_records as write_records
