"""MEDS datasets, read and written."""

from jaxehr.data.meds.layout import SYNTHETIC_IDS as SYNTHETIC_IDS
from jaxehr.data.meds.layout import Metadata as Metadata
from jaxehr.data.meds.layout import read_metadata as read_metadata
from jaxehr.data.meds.read import read_meds as read_meds
from jaxehr.data.meds.write import check_dataset_folder as check_dataset_folder
from jaxehr.data.meds.write import meds_writer as meds_writer
from jaxehr.data.meds.write import write_meds as write_meds
