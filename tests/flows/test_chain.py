"""Flows one after the other: densities, scores, PyMC3's symbolic attributes."""

from pymc3_vi.errors import BatchedGroupError, LocalGroupError, ParametrizationError
from pymc3_vi.flows import FLOWS, Formula, LocFlow, PlanarFlow, RadialFlow, ScaleFlow
from pymc3_vi.graph import SeedStream

import numpy as np
import pytest
import theano
import theano.tensor as tt
from scipy import integrate

from .helpers import evaluate, jacobians, random_params
from .numpy_flows import TWINS

LONG = "scale-planar*2-hh-radial-loc"
formulas = pytest.mark.parametrize("formula", ["scale-loc", "planar", "radial*2", "hh*3", LONG])


def build(formula, d, rng, rows=None, **kwargs):
    spec = Formula(formula)
    params = {i: random_params(cls, d, rng, rows, size=0.7) for i, cls in enumerate(spec.flows)}
    return spec(dim=d, params=params, batch_size=rows, **kwargs), params


@formulas
def test_a_chain_is_its_steps_one_by_one(formula, rng):
    d = 3
    flow, params = build(formula, d, rng)
    eps = rng.normal(size=(4, d))
    z, log_det = evaluate(list(flow.evaluate(tt.as_tensor_variable(eps))))
    for row, value, total in zip(eps, z, log_det):
        expected = 0.0
        for i, cls in enumerate(Formula(formula).flows):
            row, step = TWINS[cls.short_name](row, **params[i])
            expected += step
        np.testing.assert_allclose(value, row, rtol=1e-9)
        np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-11)


def explicit_score(flow, eps):
    """J^{-T} grad_eps log q(z(eps)), with the Jacobian of the whole chain written out and inverted."""
    symbol = tt.matrix("eps")
    log_q = -0.5 * tt.sum(tt.sqr(symbol)) - tt.sum(flow.evaluate(symbol)[1])
    slopes = evaluate(tt.grad(log_q, symbol), {symbol: eps})
    matrices = jacobians(lambda v: flow.evaluate(v)[0], eps)
    return np.stack([np.linalg.solve(m.T, s) for m, s in zip(matrices, slopes)])


@formulas
@pytest.mark.parametrize("d", [1, 3])
def test_score_is_the_gradient_of_log_q_at_the_draw(formula, d, rng):
    flow, _ = build(formula, d, rng)
    eps = rng.normal(size=(5, d))
    expected = explicit_score(flow, eps)
    np.testing.assert_allclose(evaluate(flow.score(tt.as_tensor_variable(eps))), expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(evaluate(flow.score(tt.as_tensor_variable(eps[1]))), expected[1], rtol=1e-8, atol=1e-9)


def test_score_of_an_affine_chain_is_that_of_its_normal_distribution(rng):
    flow, params = build("scale-loc", 3, rng)
    eps = rng.normal(size=(4, 3))
    score = evaluate(flow.score(tt.as_tensor_variable(eps)))
    np.testing.assert_allclose(score, -eps / np.log1p(np.exp(params[0]["rho"])), rtol=1e-12)


def test_score_of_rows_is_that_of_each_row(rng):
    d, rows = 2, 3
    flow, params = build(LONG, d, rng, rows)
    eps = rng.normal(size=(4, rows, d))
    score = evaluate(flow.score(tt.as_tensor_variable(eps)))
    assert score.shape == eps.shape
    for row in range(rows):
        own = {i: {k: v[row] for k, v in step.items()} for i, step in params.items()}
        alone = Formula(LONG)(dim=d, params=own)
        np.testing.assert_allclose(score[:, row], explicit_score(alone, eps[:, row]), rtol=1e-8, atol=1e-9)


def test_density_of_a_chain_integrates_to_one(rng):
    # In one dimension: q(z) dz summed over the images of a grid of eps, which the chain keeps in order.
    flow, _ = build("planar*2-radial-scale-loc", 1, rng)
    eps = np.linspace(-9, 9, 20001)[:, None]
    z, log_det = evaluate(list(flow.evaluate(tt.as_tensor_variable(eps))))
    density = np.exp(-0.5 * eps[:, 0] ** 2 - 0.5 * np.log(2 * np.pi) - log_det)
    assert np.all(np.diff(z[:, 0]) > 0)
    np.testing.assert_allclose(integrate.trapezoid(density, z[:, 0]), 1.0, atol=1e-4)


def test_forward_and_logdet_read_the_chain_from_its_start(rng):
    eps = rng.normal(size=(4, 2))
    first = PlanarFlow(z0=tt.as_tensor_variable(eps), dim=2, jitter=0.5, random_seed=1)
    second = RadialFlow(z0=first, jitter=0.5, random_seed=2)
    assert second.dim == 2 and second.root is first and second.parent is first
    assert first.isroot and not second.isroot and second.formula == "planar-radial"
    assert second.z0 is first.forward and second.forward is second.forward
    z, log_det = second.evaluate(tt.as_tensor_variable(eps))
    np.testing.assert_allclose(evaluate(second.forward), evaluate(z), rtol=1e-12)
    total = evaluate(first.logdet) + evaluate(second.logdet)
    np.testing.assert_allclose(evaluate(second.sum_logdets), total, rtol=1e-12)
    np.testing.assert_allclose(total, evaluate(log_det), rtol=1e-12)


def test_logdet_of_rows_is_summed(rng):
    eps = rng.normal(size=(4, 3, 2))
    flow, _ = build("scale-planar", 2, rng, rows=3, z0=eps)
    assert flow.batched
    assert evaluate(flow.logdet).shape == (4,) and evaluate(flow.sum_logdets).shape == (4,)
    per_row = evaluate(flow.evaluate(tt.as_tensor_variable(eps))[1])
    np.testing.assert_allclose(evaluate(flow.sum_logdets), per_row.sum(axis=1), rtol=1e-12)


def test_replaced_parameters_are_seen_everywhere(rng):
    eps = tt.as_tensor_variable(rng.normal(size=(4, 2)))
    first = LocFlow(z0=eps, dim=2, jitter=0)
    second = ScaleFlow(z0=first, jitter=0)
    before = evaluate(second.forward)
    shift = rng.normal(size=2)
    first.shared_params = {"loc": tt.as_tensor_variable(shift)}
    np.testing.assert_allclose(evaluate(second.forward), before + shift, rtol=1e-9)
    np.testing.assert_allclose(evaluate(second.evaluate(eps)[0]), before + shift, rtol=1e-9)


def test_one_graph_serves_draw_and_density():
    flow = Formula("planar*2")(dim=2, random_seed=1)
    eps = tt.matrix()
    assert flow.evaluate(eps)[0] is flow.evaluate(eps)[0]
    other = tt.matrix()
    assert flow.evaluate(other)[0] is not flow.evaluate(eps)[0]


def test_parameters_run_from_first_step_to_last():
    flow = Formula("scale-planar-loc")(dim=3, random_seed=1)
    assert [p.name for p in flow.all_params] == ["rho", "b", "u", "w", "loc"]
    assert {i: sorted(step) for i, step in flow.chain.params.items()} == {0: ["rho"], 1: ["b", "u", "w"], 2: ["loc"]}
    assert [step.short_name for step in flow.chain] == ["scale", "planar", "loc"]
    assert [p.name for p in flow.params] == ["loc"]


def test_shared_variables_that_are_given_stay_trainable():
    rho = theano.shared(np.zeros(3), "mine")
    flow = Formula("scale-scale-planar")(dim=3, params={0: {"rho": rho}, 1: {"rho": rho}, 2: {"u": np.ones(3)}})
    assert flow.all_params[0] is rho
    assert [p.name for p in flow.all_params] == ["mine", "b", "w"]


def test_every_step_starts_elsewhere_with_one_seed():
    flow = Formula("planar*3")(dim=3, random_seed=4)
    values = [step.shared_params["w"].get_value() for step in flow.chain]
    again = Formula("planar*3")(dim=3, random_seed=4)
    assert not np.allclose(values[0], values[1]) and not np.allclose(values[1], values[2])
    for step, value in zip(again.chain, values):
        np.testing.assert_array_equal(step.shared_params["w"].get_value(), value)
    seeded = [Formula("planar*3")(dim=3, random_seed=SeedStream(4)).chain[2] for _ in range(2)]
    np.testing.assert_array_equal(*[step.shared_params["w"].get_value() for step in seeded])


def test_a_flow_can_be_applied_to_other_draws(rng):
    flow = Formula("scale-loc")(dim=2, jitter=0.3, random_seed=1)
    eps = rng.normal(size=(3, 2))
    np.testing.assert_allclose(evaluate(flow(eps)), evaluate(flow.forward, {flow.root.z0: eps}), rtol=1e-12)
    assert evaluate(flow(eps[0])).shape == (2,)


def test_local_parameters_are_functions_of_data(rng):
    data = tt.matrix("data")
    flow = Formula("scale-planar")(
        dim=2,
        local=True,
        batch_size=-1,
        params={0: {"rho": data}, 1: {"u": data * 2, "w": data + 1, "b": tt.sum(data, axis=1)}},
    )
    assert flow.batched and flow.all_params == []
    x, eps = rng.normal(size=(5, 2)), rng.normal(size=(3, 5, 2))
    noise = tt.tensor3("eps")
    z, log_det = evaluate(list(flow.evaluate(noise)), {data: x, noise: eps})
    row = Formula("scale-planar")(dim=2, params={0: {"rho": x[4]}, 1: {"u": 2 * x[4], "w": x[4] + 1, "b": x[4].sum()}})
    row_z, row_det = evaluate(list(row.evaluate(tt.as_tensor_variable(eps[:, 4]))))
    np.testing.assert_allclose(z[:, 4], row_z, rtol=1e-10)
    np.testing.assert_allclose(log_det[:, 4], row_det, rtol=1e-10)


def test_parameters_of_any_shape_with_the_right_size_are_taken():
    flow = PlanarFlow(dim=6, u=np.ones((2, 3)), w=np.ones(6), b=1.0)
    assert evaluate(flow(np.zeros((1, 6)))).shape == (1, 6)


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: LocFlow(), ParametrizationError, ["LocFlow", "dimension", "'dim'"]),
        (lambda: LocFlow(dim=2.5), TypeError, ["'dim'", "LocFlow", "2.5"]),
        (lambda: LocFlow(dim=0), ValueError, ["'dim'", "at least 1"]),
        (lambda: LocFlow(LocFlow(dim=2), dim=3), ParametrizationError, ["'dim'", "must be 2", "Got 3"]),
        (lambda: LocFlow(dim=2, jitter=-1.0), ValueError, ["'jitter'", "at least 0", "-1.0"]),
        (lambda: LocFlow(dim=2, batch_size=0), ValueError, ["'batch_size'", "Got 0"]),
        (lambda: LocFlow(dim=2, lok=np.ones(2)), ParametrizationError, ["LocFlow", "'lok'", "'loc'"]),
        (lambda: LocFlow(dim=2, loc=np.ones(3)), ParametrizationError, ["'loc'", "(2,)", "(3,)"]),
        (lambda: PlanarFlow(dim=2, local=True, u=tt.matrix()), LocalGroupError, ["PlanarFlow", "local", "'w'", "'b'"]),
        (lambda: LocFlow(dim=2, batch_size=-1), BatchedGroupError, ["LocFlow", "'loc'", "'batch_size'"]),
        (lambda: LocFlow(tt.tensor3(), dim=2), BatchedGroupError, ["'batch_size'"]),
    ],
)
def test_errors_name_what_is_wrong(make, error, words):
    with pytest.raises(error) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_all_registered_flows_fit_into_one_chain(rng):
    formula = "-".join(FLOWS.names())
    flow, _ = build(formula, 3, rng)
    eps = rng.normal(size=(3, 3))
    np.testing.assert_allclose(
        evaluate(flow.score(tt.as_tensor_variable(eps))), explicit_score(flow, eps), rtol=1e-8, atol=1e-9
    )
