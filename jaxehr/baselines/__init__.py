"""Generators without a network: what a trained one has to beat, and some that no privacy figure may let pass.

    marginals   every column alone: the right frequencies, and no relation between columns
    copula      a Gaussian copula: the right frequencies, and relations in pairs
    cart        a tree for each column on those before it: nearly everything, and not private
    smote       between a patient and one of its nearest: faithful, and not private
    bootstrap   copies

Each is `(train, n, seed) -> DataFrame`: n patients in the columns, order and dtypes of the training records, with ids
of their own; cart draws a table and codes together too, as Records. Constraints of a schema are not kept. NumPy and
scikit-learn on the host; codes stay sparse, and what is dense is made for 4,096 patients at a time: 71,517 patients x
902 codes take 1, 8, 1, 35 and 1 CPU seconds, and 0.1 GiB (smote: 0.5).
"""

from jaxehr.baselines.cart import cart as cart
from jaxehr.baselines.gaussian_copula import copula as copula
from jaxehr.baselines.interpolation import smote as smote
from jaxehr.baselines.resampling import bootstrap as bootstrap
from jaxehr.baselines.resampling import marginals as marginals
