"""``approx.save(path)`` and ``load(path, model)``."""

from ..errors import FileFormatError
from ..model import DataRead, ModelView, model_differences, model_fingerprint
from ..parameters import checked
from ._approximation_state import approximation_state, make_approximation, put_approximation_state
from ._container import read_container, write_container
from ._continued_rows import packed_rows, put_rows
from ._fit_report import FitReport
from ._versions import package_versions

__all__ = ["save_approximation", "load", "write_file", "read_file", "read_report", "check_model", "reading"]


def write_file(path, kind, approx, more_header=None, more_arrays=None):
    """Write `approx`, and what else belongs to a file of `kind`."""
    description, arrays = approximation_state(approx)
    versions = package_versions()
    header = {
        "kind": kind,
        "package_version": versions["pymc3_vi"],
        "versions": versions,
        "model": model_fingerprint(approx.view.own),
        "approximation": description,
        "report": None if approx.report is None else approx.report.to_json(),
    }
    header["rows"] = packed_rows(approx, arrays)
    header.update(more_header or {})
    write_container(path, header, dict(arrays, **(more_arrays or {})))


@checked
def save_approximation(approx, path):
    """Write the approximation to a file, in one stroke.

    Parameters
    ----------
    path : str or path
        Usually ending in ``.npz``; an existing file is replaced as a whole, at the end of a symbolic link where `path`
        is one.

    Raises
    ------
    UnwritablePathError
        If `path` is a directory, a pipe or a device.

    See Also
    --------
    pymc3_vi.load
    """
    write_file(path, "approximation", approx)


class reading:
    """Context in which any failure to make sense of a sealed file is a FileFormatError."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, FileFormatError) and str(self.path) not in str(error):
            raise FileFormatError(f"{self.path}: {error}", error.reason) from error
        if isinstance(error, (KeyError, TypeError, ValueError, IndexError, AttributeError)):
            if not isinstance(error, FileFormatError):
                raise FileFormatError(
                    f"{self.path} is sealed, but its contents do not make sense: {error!r}.", "foreign"
                ) from error
        return False


def read_file(path, kinds):
    """Header and arrays of a file of one of `kinds`."""
    header, arrays = read_container(path)
    if header.get("kind") not in kinds:
        raise FileFormatError(
            f"{path} holds a {header.get('kind')!r}, and what can be read here is {' or '.join(map(repr, kinds))}.",
            "kind",
        )
    return header, arrays


def read_report(header):
    """FitReport in a header, None when the approximation was not fitted."""
    return None if header["report"] is None else FitReport.from_json(header["report"])


def check_model(path, header, view, same_data=True):
    """Raise FileFormatError unless the file is of the model of `view`."""
    current = model_fingerprint(view.own)
    found = model_differences(header["model"], current, data=same_data)
    if found:
        only_data = not model_differences(header["model"], current, data=False)
        hint = " Pass same_data=False if that was changed on purpose." if only_data else ""
        raise FileFormatError(f"{path} is of another model: {'; '.join(found)}.{hint}", "model")


@checked
def load(path, model=None, into=None, same_data=True, data=None):
    """Approximation from a file that ``approx.save`` or ``inference.save`` wrote.

    Nothing in a file is ever executed; a file from an untrusted source can at worst hold wrong numbers.

    Parameters
    ----------
    path : str or path
    model : pymc3.Model, optional
        The model that was fitted, built again; default is the model of the ``with`` context.
    into : Approximation, optional
        Put the saved parameters into this approximation, built as the saved one was, instead of making one.  Needed
        where parameters are expressions (encoders of amortised groups); set the encoder's own weights yourself.
    same_data : bool
        Whether observed data, priors and covariates must be those of the saved model.  With False only names, shapes,
        dtypes and transforms of the variables must be.
    data : DataLoader or what ``approx.refine`` takes, optional
        Of a refined approximation, its last new rows; without them it can give draws and be refined.

    Returns
    -------
    Approximation

    Raises
    ------
    FileFormatError
        ``error.reason`` and the message say why: 'foreign', 'truncated', 'damaged', 'version', 'kind' or 'model'.
    FileNotFoundError

    Examples
    --------
    >>> approx.save("fit.npz")  # doctest: +SKIP
    >>> same = pymc3_vi.load("fit.npz", model)  # doctest: +SKIP
    """
    header, arrays = read_file(path, ("approximation", "inference"))
    view = into.view if into is not None else ModelView(model)
    with reading(path):
        check_model(path, header, view, same_data)
        if into is None:
            approx = make_approximation(header["approximation"], arrays, view.model)
        else:
            approx = into
            put_approximation_state(into, header["approximation"], arrays)
        approx.report = read_report(header)
        other = model_differences(header["model"], model_fingerprint(view.own))
        other += put_rows(approx, header, arrays, path, data, same_data)
        approx.fitted_to = DataRead(approx.view, approx.params, other)
        return approx
