"""One model and many data sets: fits by the thousand, and what is made with them."""

from ._collection import FitCollection
from ._fit_many import fit_many
from ._rows import CrossValidation, bootstrap, kfold
from ._sbc import Calibration, sbc

__all__ = ["Calibration", "CrossValidation", "FitCollection", "bootstrap", "fit_many", "kfold", "sbc"]
