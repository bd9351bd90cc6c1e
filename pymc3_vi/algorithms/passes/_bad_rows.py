"""Rows that no q can explain: values that are not finite."""

import numpy as np

from ...errors import DataError

__all__ = ["refuse_bad_rows"]


def refuse_bad_rows(density, place=None):
    """Raise DataError for the first row with a value that is not finite; do nothing where there is none.

    One such row leaves no draw of any q with a finite log density.

    Parameters
    ----------
    density : RowDensity
    place : tuple, optional
        Part of the model and row: look at the block of this row from there on; default: at all rows.
    """
    for number, part in enumerate(density.model.parts):
        if place is None:
            for begin, arrays in part.table.blocks():
                _check(part, begin, arrays)
        elif number == place[0]:
            _check(part, *next(part.table.blocks(place[1])))


def _check(part, begin, arrays):
    found = []
    for variable, values in zip(part.inputs, arrays):
        bad = ~np.isfinite(np.reshape(values, (len(values), -1))).all(axis=1)
        if bad.any():
            found.append((int(np.argmax(bad)), variable.name or "a column without a name", values))
    if found:
        row, name, values = min(found, key=lambda entry: entry[0])
        wrong = np.ravel(values[row])[~np.isfinite(np.ravel(values[row]))][0]
        raise DataError(
            f"Row {begin + row:,} of the data has the value {wrong} in {name!r}, so that the likelihood of "
            f"{', '.join(map(repr, part.names))} is not finite for any parameters. Leave such rows out, or fill them."
        )
