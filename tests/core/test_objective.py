"""From an operator to the updates of one step."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt


def test_parameters_that_come_twice_are_trained_once(model_fast):
    """An encoder's output that is a shared variable is the group's parameter and in more_obj_params."""
    with model_fast(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, shape=3)
        pm.Normal("y", x, 1.0, observed=np.ones(3))
    weight, rho = theano.shared(np.ones(3), "weight"), theano.shared(np.zeros(3), "rho")
    local = {x: {"mu": tt.as_tensor_variable(weight) * 2, "rho": rho}}
    more = dict(obj_optimizer=pymc3_vi.sgd(learning_rate=0.1), more_obj_params=[weight, rho])
    with model_fast():
        inference = pymc3_vi.ADVI(local_rv=local, model=model, random_seed=1)
        params = inference.objective.build_step(**more).params
        updates = inference.objective.updates(**more)
    assert sorted(map(str, params)) == ["rho", "weight"]
    assert rho in updates and weight in updates
