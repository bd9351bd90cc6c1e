"""One model and many data sets: fits by the thousand, and what is made with them."""

from ._collection import FitCollection
from ._fit_many import fit_many
from ._sbc import Calibration, sbc

__all__ = ["Calibration", "FitCollection", "fit_many", "sbc"]
