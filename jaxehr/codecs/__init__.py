"""Records as arrays, and back: a codec for each kind of part. NumPy and pandas only."""

from jaxehr.codecs.bins import Bins as Bins
from jaxehr.codecs.codec import Codec as Codec
from jaxehr.codecs.codec import codec_from_json as codec_from_json
from jaxehr.codecs.codec import codec_of as codec_of
from jaxehr.codecs.codec import fit_codec as fit_codec
from jaxehr.codecs.codes import Code as Code
from jaxehr.codecs.cyclic import Cyclic as Cyclic
from jaxehr.codecs.matrix import matrix as matrix
from jaxehr.codecs.matrix import parts_of as parts_of
from jaxehr.codecs.numbers import END as END
from jaxehr.codecs.numbers import BoxCox as BoxCox
from jaxehr.codecs.numbers import Number as Number
from jaxehr.codecs.numbers import Quantile as Quantile
from jaxehr.codecs.parts import KnownParts as KnownParts
from jaxehr.codecs.parts import Parts as Parts
from jaxehr.codecs.refusals import refusals as refusals
from jaxehr.codecs.series import SeriesCodec as SeriesCodec
from jaxehr.codecs.shared import MIN_PATIENTS as MIN_PATIENTS
