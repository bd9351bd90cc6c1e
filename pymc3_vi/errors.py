"""Exception classes of the package.

Every error that a user can cause derives from :class:`VariationalInferenceError` and, where PyMC3 users already
catch a builtin, from that builtin too.  Messages name the parameter or variable, what was given, what is allowed
and what to do.
"""

__all__ = [
    "VariationalInferenceError",
    "ParameterTypeError",
    "ParameterValueError",
    "ExplicitInferenceError",
    "AEVBInferenceError",
    "DataError",
    "ParametrizationError",
    "GroupError",
    "BatchedGroupError",
    "LocalGroupError",
    "UnknownNameError",
    "StartError",
    "NonFiniteError",
    "HessianError",
    "GradientError",
    "EngineError",
    "EngineWarning",
    "FileFormatError",
    "MissingExtraError",
    "OtherDataError",
    "UnwritablePathError",
    "WorkerError",
    "ConvergenceWarning",
    "VarianceCollapseWarning",
    "OverflowStartWarning",
    "NonFiniteDrawsWarning",
    "ScalingWarning",
    "RejectedFitWarning",
    "UnreliableWeightsWarning",
    "UnconvergedChainsWarning",
    "ZeroGradientWarning",
    "MeanFieldWarning",
]


class VariationalInferenceError(Exception):
    """Base class of all errors raised on purpose by this package."""


class ParameterTypeError(VariationalInferenceError, TypeError):
    """A parameter was given something of a kind that it does not take."""


class ParameterValueError(VariationalInferenceError, ValueError):
    """A parameter was given a value that is not allowed."""


class GroupError(VariationalInferenceError, TypeError):
    """Variables are grouped in a way that does not define one approximation of the whole model."""


class ParametrizationError(VariationalInferenceError, ValueError):
    """A parameter of an approximation is missing, superfluous, of the wrong shape or not allowed."""


class DataError(VariationalInferenceError, ValueError):
    """Columns of data do not fit together, or are not what they were."""


class BatchedGroupError(GroupError):
    """A rowwise or local group was asked for where the family or variable does not allow it."""


class AEVBInferenceError(VariationalInferenceError, TypeError):
    """The operator or approximation cannot work with local (amortised) variables."""


class LocalGroupError(BatchedGroupError, AEVBInferenceError):
    """A local (amortised) group is used wrongly."""


class ExplicitInferenceError(VariationalInferenceError, TypeError):
    """The operator needs ``log q`` but the approximation does not define it."""


class UnknownNameError(VariationalInferenceError, KeyError):
    """A name is not in a registry; the message lists the known ones and the closest match."""

    def __str__(self):
        # KeyError would print the repr of the message, with quotes and escaped newlines.
        return str(self.args[0]) if self.args else ""


class StartError(VariationalInferenceError, ValueError):
    """The start point does not fit the model, or has no finite log density."""


class NonFiniteError(VariationalInferenceError, FloatingPointError):
    """A loss or a parameter became NaN or infinite during a fit.

    Attributes
    ----------
    step : int
        1-based index of the first step whose loss or parameters were not finite.
    variables : list of str
        Names of the model variables concerned.
    """

    def __init__(self, message, step=None, variables=()):
        super().__init__(message)
        self.step = step
        self.variables = list(variables)

    def __reduce__(self):
        return type(self), (self.args[0], self.step, self.variables)


class HessianError(VariationalInferenceError, ArithmeticError):
    """Second derivatives at a fit's parameters are not those of an optimum, so that nothing can be solved with them."""


class GradientError(VariationalInferenceError, NotImplementedError):
    """An Op of the model has no gradient; the message names it and the variables behind it."""


class EngineError(VariationalInferenceError, RuntimeError):
    """An engine cannot honour what a graph asks for."""


class EngineWarning(UserWarning):
    """The engine falls back to something slower, for the reason in the message."""


class FileFormatError(VariationalInferenceError, ValueError):
    """A saved file cannot be used.

    Attributes
    ----------
    reason : str
        ``'foreign'`` (no file of this package), ``'truncated'``, ``'damaged'``, ``'version'`` (a later format),
        ``'kind'`` (holds something else), ``'model'`` (of another model) or ``'options'`` (of a fit with other
        options).
    """

    def __init__(self, message, reason=None):
        super().__init__(message)
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.args[0], self.reason)


class OtherDataError(VariationalInferenceError, RuntimeError):
    """The model's data are not those that the approximation was fitted to, but the answer would rest on them."""


class UnwritablePathError(VariationalInferenceError, OSError):
    """A file cannot be written where it is to be written."""


class MissingExtraError(VariationalInferenceError, ImportError):
    """Something needs a package that is not installed; the message names the extra that brings it."""


class WorkerError(VariationalInferenceError, RuntimeError):
    """Workers of a cluster cannot do what they are given: the package is missing there, say, or none is left."""


class ConvergenceWarning(UserWarning):
    """The fit used all its steps without reaching the optimum of the family."""


class VarianceCollapseWarning(UserWarning):
    """Particles are too few for the dimension: their spread underestimates the posterior's."""


class OverflowStartWarning(UserWarning):
    """The start point had no finite log density, another one was used."""


class NonFiniteDrawsWarning(UserWarning):
    """Some draws of q before the first step had no finite log density."""


class ScalingWarning(UserWarning):
    """A minibatch's likelihood is not scaled to the whole data, or q cannot take over the scale of the posterior."""


class UnreliableWeightsWarning(UserWarning):
    """Importance weights have too heavy a tail (k-hat above its threshold): corrected results are not reliable."""


class RejectedFitWarning(UserWarning):
    """A fit that was to judge itself (``method='auto'``) is not to be used; the message says why and what to try."""


class UnconvergedChainsWarning(UserWarning):
    """Chains of corrected draws have not converged, or their Monte Carlo errors are large: the message names where."""


class ZeroGradientWarning(UserWarning):
    """The log density depends on a variable only through steps: gradients do not see it."""


class MeanFieldWarning(UserWarning):
    """Independent unconstrained values cannot represent a variable well, whatever the data."""
