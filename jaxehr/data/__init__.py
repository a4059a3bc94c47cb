"""Records on the host: schemas, files, codecs. NumPy and pandas only."""

from jaxehr.data.codec import Codec as Codec
from jaxehr.data.codec import CodesCodec as CodesCodec
from jaxehr.data.codec import TableCodec as TableCodec
from jaxehr.data.codec import codec_from_json as codec_from_json
from jaxehr.data.codec import fit_codec as fit_codec
from jaxehr.data.codec import matrix as matrix
from jaxehr.data.codec import parts_of as parts_of
from jaxehr.data.codes import code_matrix as code_matrix
from jaxehr.data.codes import drop_rare as drop_rare
from jaxehr.data.codes import long_frame as long_frame
from jaxehr.data.open_data import diabetes130_codes as diabetes130_codes
from jaxehr.data.open_data import diabetes130_table as diabetes130_table
from jaxehr.data.open_data import nafld as nafld
from jaxehr.data.schema import Column as Column
from jaxehr.data.schema import DataError as DataError
from jaxehr.data.schema import Schema as Schema
from jaxehr.data.tables import read_records as read_records
from jaxehr.data.tables import records_writer as records_writer
from jaxehr.data.tables import write_records as write_records
