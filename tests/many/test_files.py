"""Fits on disk: while they are made, and afterwards."""

import pymc3_vi
from pymc3_vi.errors import ConvergenceWarning, DataError, FileFormatError
from pymc3_vi.many import _batches

import numpy as np
import pytest

from .conftest import normal_model

QUIET = dict(random_seed=3, progressbar=False)


def _equal(first, second):
    assert first.labels == second.labels and set(first.arrays) == set(second.arrays)
    for name, values in first.arrays.items():
        np.testing.assert_array_equal(second.arrays[name], values)
    assert {k: str(e) for k, e in first.failed.items()} == {k: str(e) for k, e in second.failed.items()}


def _data(rng):
    return [{"y": rng.normal(size=n)} for n in (2, 3, 4, 2, 3, 4)] + [{"y": np.zeros((2, 2))}]


def test_a_run_goes_on_where_it_was_stopped(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(_batches, "LARGEST_BATCH", 2)
    model, data = normal_model(), _data(rng)

    def stopping():
        yield from data
        raise KeyboardInterrupt

    whole = pymc3_vi.fit_many(model, data, path=tmp_path / "whole", **QUIET)
    files = sorted((tmp_path / "whole").glob("part-*"))
    assert len(files) == 4  # of seven data sets, two each
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-40])
    again = pymc3_vi.fit_many(model, data, path=tmp_path / "whole", **QUIET)
    _equal(whole, again)
    done = pymc3_vi.fit_many(model, data, path=tmp_path / "whole", **QUIET)
    _equal(whole, done)
    assert done.compiled == 0 and isinstance(done.failed[6], DataError)
    with pytest.warns(ConvergenceWarning, match="Interrupted: 0 "):
        empty = pymc3_vi.fit_many(model, stopping(), **QUIET)
    assert len(empty) == 0 and len(empty.table) == 0
    other = pymc3_vi.fit_many(model, data, path=tmp_path / "whole", random_seed=4, progressbar=False)
    assert other.compiled == 2 and not np.array_equal(other.arrays["draws"], whole.arrays["draws"])


def test_a_run_without_a_seed_keeps_the_one_it_began_with(rng, tmp_path):
    model, data = normal_model(), _data(rng)[:2]
    first = pymc3_vi.fit_many(model, data, path=tmp_path / "run", progressbar=False)
    _equal(first, pymc3_vi.fit_many(model, data, path=tmp_path / "run", progressbar=False))


def test_saved_fits_are_read_back(rng, tmp_path):
    fits = pymc3_vi.fit_many(normal_model(), {k: d for k, d in zip("abcdefg", _data(rng))}, draws=7, **QUIET)
    fits.save(tmp_path / "fits.npz")
    read = pymc3_vi.FitCollection.load(tmp_path / "fits.npz")
    _equal(fits, read)
    assert type(read.failed["g"]) is DataError and repr(read) == repr(fits)
    assert "6 use" in repr(read) and "1 failed" in repr(read)
    posterior = read.to_inference_data(corrected=True).posterior
    assert posterior["mu"].dims == ("chain", "draw", "data_set") and list(posterior["data_set"]) == list("abcdefg")
    np.testing.assert_array_equal(posterior["mu"].sel(data_set="b")[0], fits.arrays["corrected_draws"][1, :, 0])
    fits_of_something = tmp_path / "other.npz"
    fits_of_something.write_bytes(b"PK")
    with pytest.raises(FileFormatError):
        pymc3_vi.FitCollection.load(fits_of_something)
