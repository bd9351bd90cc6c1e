"""Data sets of any shapes in one batch."""

import pymc3_vi
from pymc3_vi.many._data_sets import DataSets

import numpy as np
import pymc3 as pm


def test_stacks_of_one_shape_hold_every_data_set_once(rng):
    members = [{"x": rng.normal(size=n), "y": rng.normal(size=(n, 2))} for n in (3, 2, 3, 4, 2)]
    some = DataSets.of(members)[np.array([4, 2, 0])]
    assert len(some) == 3
    found = some.of_one_shape()
    assert sorted(np.concatenate([where for where, _ in found])) == [0, 1, 2] and len(found) == 2
    for where, arrays in found:
        for k, b in enumerate(where):
            for name, values in members[[4, 2, 0][b]].items():
                np.testing.assert_array_equal(arrays[name][k], values)
                np.testing.assert_array_equal(some.arrays(b)[name], values)


def test_hierarchical_models_take_few_steps(rng, unoptimized):
    """Mean and scale pull at each other there: without looking at what a step left, they take 52 on average."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        group, y = pm.Data("group", np.zeros(8, dtype=int)), pm.Data("y", np.zeros(8))
        level = pm.Normal("mu", 0, 5) + pm.HalfNormal("tau", 2) * pm.Normal("z", 0, 1, shape=5)[group]
        pm.Normal("obs", level, pm.HalfNormal("noise", 2), observed=y)
    sets = []
    for rows in rng.integers(30, 60, 24):
        of_rows = rng.integers(0, 5, rows)
        sets.append({"group": of_rows, "y": 1 + rng.standard_normal(5)[of_rows] + 0.7 * rng.standard_normal(rows)})
    fits = pymc3_vi.fit_many(model, sets, method="fullrank_advi", random_seed=1, progressbar=False)
    assert not fits.failed and fits.table["steps"].mean() < 45
