"""The table: every public function and class, and what each of its parameters takes."""

from ._answering import ANSWERING
from ._approximating import APPROXIMATING
from ._fitting import FITTING
from ._optimizing import OPTIMIZING

__all__ = ["PARAMETERS"]

#: Qualified name of a function (of a class, for its constructor; ending in ``()`` for what its instances do when
#: called) -> {parameter: Constraint}.  Names beyond the signature are those that it takes through ``**kwargs``.
PARAMETERS = {**FITTING, **APPROXIMATING, **ANSWERING, **OPTIMIZING}
