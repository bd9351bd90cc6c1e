"""What every registered flow must satisfy; a new one is tested as soon as it is registered."""

import pickle

from pymc3_vi.flows import FLOWS, AbstractFlow, Formula, flow_for_params

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .helpers import evaluate, jacobians, random_params
from .numpy_flows import TWINS

every_flow = pytest.mark.parametrize("name", FLOWS.names())
dimensions = pytest.mark.parametrize("d", [1, 2, 5])


def draws(rng, *shape):
    return 1.5 * rng.normal(size=shape)


def run(flow, params, z):
    """(z', log_det) as arrays, for `z` an array of any allowed shape."""
    symbol = tt.TensorType(z.dtype, (False,) * z.ndim)("z")
    return evaluate(list(flow.transform_and_log_det(symbol, params)), {symbol: z})


def test_every_flow_has_a_numpy_twin():
    assert set(FLOWS.names()) == set(TWINS)


@every_flow
@dimensions
def test_values_are_those_of_the_paper(name, d, rng):
    flow = FLOWS.get(name)(dim=d)
    params = random_params(type(flow), d, rng)
    z = draws(rng, 6, d)
    z_next, log_det = run(flow, params, z)
    expected = [TWINS[name](row, **params) for row in z]
    np.testing.assert_allclose(z_next, [e[0] for e in expected], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(log_det, [e[1] for e in expected], rtol=1e-9, atol=1e-11)


@every_flow
@dimensions
def test_log_det_is_that_of_the_jacobian(name, d, rng):
    flow = FLOWS.get(name)(dim=d)
    params = random_params(type(flow), d, rng)
    z = draws(rng, 4, d)
    signs, expected = np.linalg.slogdet(jacobians(lambda v: flow.transform_and_log_det(v, params)[0], z))
    np.testing.assert_allclose(run(flow, params, z)[1], expected, atol=1e-10)
    assert len(set(signs)) == 1  # one sign everywhere: the map never folds


@every_flow
def test_it_stays_invertible_for_large_parameters(name, rng):
    d = 3
    flow = FLOWS.get(name)(dim=d)
    z = draws(rng, 20, d)
    for _ in range(10):
        params = random_params(type(flow), d, rng, size=5.0)
        z_next, log_det = run(flow, params, z)
        assert np.isfinite(z_next).all() and np.isfinite(log_det).all()
        matrices = jacobians(lambda v, params=params: flow.transform_and_log_det(v, params)[0], z)
        signs = np.linalg.slogdet(matrices)[0]
        # Where the squeeze is below rounding, the sign of the autodiff determinant is noise.
        assert len(set(signs[log_det > -20])) <= 1


@every_flow
def test_one_draw_many_draws_and_rows_agree(name, rng):
    d, rows, draw_count = 3, 4, 5
    flow = FLOWS.get(name)(dim=d)
    batched = FLOWS.get(name)(dim=d, batch_size=rows)
    params = random_params(type(flow), d, rng, rows)
    z = draws(rng, draw_count, rows, d)
    z_next, log_det = run(batched, params, z)
    assert z_next.shape == (draw_count, rows, d) and log_det.shape == (draw_count, rows)
    one_next, one_det = run(batched, params, z[0])
    assert one_next.shape == (rows, d) and one_det.shape == (rows,)
    np.testing.assert_allclose(one_next, z_next[0], rtol=1e-12)
    np.testing.assert_allclose(one_det, log_det[0], rtol=1e-12, atol=1e-14)
    for row in range(rows):
        own = {key: value[row] for key, value in params.items()}
        row_next, row_det = run(flow, own, z[:, row])
        np.testing.assert_allclose(row_next, z_next[:, row], rtol=1e-12)
        np.testing.assert_allclose(row_det, log_det[:, row], rtol=1e-12, atol=1e-14)
        single_next, single_det = run(flow, own, z[2, row])
        assert single_next.shape == (d,) and single_det.shape == ()
        np.testing.assert_allclose(single_next, row_next[2], rtol=1e-12)
        np.testing.assert_allclose(single_det, row_det[2], rtol=1e-12, atol=1e-14)


@every_flow
@dimensions
def test_the_transposed_jacobian_is_solved(name, d, rng):
    flow = FLOWS.get(name)(dim=d)
    params = random_params(type(flow), d, rng)
    z, g = draws(rng, 4, d), rng.normal(size=(4, d))
    symbol = tt.matrix("z")
    x = evaluate(flow.solve_jacobian_transpose(symbol, params, tt.as_tensor_variable(g)), {symbol: z})
    matrices = jacobians(lambda v: flow.transform_and_log_det(v, params)[0], z)
    np.testing.assert_allclose(np.einsum("sij,si->sj", matrices, x), g, rtol=1e-9, atol=1e-9)


@every_flow
def test_the_transposed_jacobian_is_solved_for_rows(name, rng):
    d, rows = 3, 2
    flow = FLOWS.get(name)(dim=d, batch_size=rows)
    params = random_params(type(flow), d, rng, rows)
    z, g = draws(rng, 4, rows, d), rng.normal(size=(4, rows, d))
    x = evaluate(flow.solve_jacobian_transpose(tt.as_tensor_variable(z), params, tt.as_tensor_variable(g)))
    for row in range(rows):
        own = {key: value[row] for key, value in params.items()}
        alone = flow.solve_jacobian_transpose(tt.as_tensor_variable(z[:, row]), own, tt.as_tensor_variable(g[:, row]))
        np.testing.assert_allclose(x[:, row], evaluate(alone), rtol=1e-12)


@every_flow
@pytest.mark.parametrize("rows", [None, 2])
def test_gradients_reach_every_parameter(name, rows, rng):
    d = 3
    flow = FLOWS.get(name)(dim=d, jitter=0.1, batch_size=rows, random_seed=3)
    z = draws(rng, *((4, d) if rows is None else (4, rows, d)))
    z_next, log_det = flow.transform_and_log_det(tt.as_tensor_variable(z))
    loss = tt.sum(tt.sqr(z_next) * rng.normal(size=z.shape)) - tt.sum(log_det)
    assert sorted(p.name for p in flow.params) == sorted(spec.name for spec in flow.param_specs)
    grads = evaluate(tt.grad(loss, flow.params))
    for param, grad in zip(flow.params, grads):
        values = np.reshape(grad, (rows or 1, -1))
        assert np.isfinite(values).all(), param
        assert (np.abs(values).max(axis=1) > 1e-4).all(), param


@every_flow
@pytest.mark.parametrize("d", [1, 4])
def test_gradients_are_those_of_finite_differences(name, d, rng):
    flow = FLOWS.get(name)(dim=d)
    values = random_params(type(flow), d, rng)
    z, weights = draws(rng, 3, d), rng.normal(size=(3, d))
    symbols = {key: tt.TensorType("float64", (False,) * value.ndim)(key) for key, value in values.items()}
    z_next, log_det = flow.transform_and_log_det(tt.as_tensor_variable(z), symbols)
    loss = tt.sum(z_next * weights) + tt.sum(tt.sqr(log_det) + log_det)
    grads = tt.grad(loss, list(symbols.values()), disconnected_inputs="ignore")
    function = theano.function(list(symbols.values()), [loss] + grads, mode="FAST_COMPILE")
    found = function(*values.values())[1:]
    step = 1e-6
    for key, grad in zip(values, found):
        for index in np.ndindex(values[key].shape):
            sides = []
            for sign in (1, -1):
                moved = {k: np.array(v) for k, v in values.items()}
                moved[key][index] += sign * step
                sides.append(function(*moved.values())[0])
            np.testing.assert_allclose(grad[index], (sides[0] - sides[1]) / (2 * step), rtol=1e-5, atol=1e-7)


@every_flow
@pytest.mark.parametrize("jitter, tolerance", [(0.0, 1e-9), (1e-3, 0.05)])
def test_it_starts_close_to_the_standard_normal(name, jitter, tolerance, rng):
    d = 4
    flow = FLOWS.get(name)(dim=d, jitter=jitter, random_seed=5)
    eps = draws(rng, 50, d)
    z, log_det = run(flow, None, eps)
    # log N(eps) - log|det J| against log N(z): the density of the start, and the one it should be.
    difference = -0.5 * np.sum(eps**2, axis=1) - log_det + 0.5 * np.sum(z**2, axis=1)
    assert np.abs(difference).max() < tolerance
    if name != "hh":
        assert np.abs(z - eps).max() < tolerance


@pytest.mark.parametrize("name", [name for name in FLOWS.names() if name != "hh"])  # hh starts at random directions
def test_jitter_moves_the_start(name):
    near, far = (FLOWS.get(name)(dim=50, jitter=jitter, random_seed=5) for jitter in (0.0, 0.1))
    moved = {key: far.shared_params[key].get_value() - value.get_value() for key, value in near.shared_params.items()}
    size = np.sqrt(np.mean(np.concatenate([np.ravel(m) for m in moved.values()]) ** 2))
    assert 0.02 < size < 0.4


@every_flow
def test_the_seed_decides_the_initial_values(name):
    def values(seed, **kwargs):
        return [p.get_value() for p in FLOWS.get(name)(dim=3, jitter=0.1, random_seed=seed, **kwargs).params]

    def same(first, second):
        return all(np.array_equal(a, b) for a, b in zip(first, second))

    assert same(values(1), values(1))
    assert same(values(np.random.default_rng(1)), values(1))
    assert not same(values(1), values(2))
    assert same(values(1, batch_size=2), values(1, batch_size=2))
    first, second = zip(*[value for value in values(1, batch_size=2)])
    assert not same(first, second)  # rows start at different values

    np.random.seed(7)
    unseeded = values(None)
    assert not same(unseeded, values(None))
    np.random.seed(7)
    assert same(unseeded, values(None))


@every_flow
def test_types_follow_floatx(name, rng):
    with theano.config.change_flags(floatX="float32"):
        flow = FLOWS.get(name)(dim=40000, jitter=0.01, random_seed=1)
        assert all(p.dtype == "float32" for p in flow.params)
        z = tt.fmatrix("z")
        outputs = list(flow.transform_and_log_det(z))
        outputs += [flow.solve_jacobian_transpose(z, None, z), flow.chain.score(z)]
        outputs += tt.grad(tt.sum(outputs[0]) + tt.sum(outputs[1]), flow.params)
        assert {o.dtype for o in outputs} == {"float32"}
        assert all(v.dtype == "float32" for v in evaluate(outputs, {z: rng.normal(size=(2, 40000)).astype("float32")}))


@every_flow
def test_nothing_is_nan_at_degenerate_points(name):
    # Zero parameters, draws on the reference point, and draws at zero.
    d = 3
    flow = FLOWS.get(name)(dim=d, **{k: np.zeros(s) for k, s in FLOWS.get(name).get_param_spec_for(d=d).items()})
    z = tt.matrix("z")
    z_next, log_det = flow.transform_and_log_det(z)
    outputs = [z_next, log_det, flow.chain.score(z), tt.grad(tt.sum(log_det) + tt.sum(z_next), z)]
    for value in evaluate(outputs, {z: np.zeros((2, d))}):
        assert np.isfinite(value).all()


@every_flow
def test_it_can_be_pickled(name, rng):
    flow = FLOWS.get(name)(dim=3, jitter=0.5, random_seed=1)
    z = draws(rng, 2, 3)
    before = evaluate(flow(z))
    again = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(evaluate(again(z)), before)


@every_flow
def test_parameters_name_the_flow(name):
    cls = FLOWS.get(name)
    shapes = cls.get_param_spec_for(d=7)
    assert flow_for_params(shapes) is cls
    assert {key: value.get_value().shape for key, value in cls(dim=7).shared_params.items()} == shapes
    assert issubclass(cls, AbstractFlow) and Formula(f"{name}*2").flows == [cls, cls]
    assert cls.__doc__


@pytest.mark.parametrize(
    "name, params",
    [
        ("planar", dict(u=np.float32([-30, 0.5]), w=np.float32([1, 0.1]), b=np.float32(0.1))),
        ("radial", dict(a=np.float32(1.0), b=np.float32(-30), z_ref=np.float32([0.3, -0.2]))),
    ],
)
def test_hard_squeezes_stay_finite_in_float32(name, params):
    # 1 + h' w.u_hat and 1 + beta h cancel to exactly zero here when they are computed as they stand in the paper.
    z = np.float32([[-0.05, -0.49], [0.3, -0.2], [0.30001, -0.2], [0.0, -1.0]])
    with theano.config.change_flags(floatX="float32"):
        flow = FLOWS.get(name)(dim=2)
        log_det = run(flow, params, z)[1]
    exact = run(FLOWS.get(name)(dim=2), {k: v.astype("float64") for k, v in params.items()}, z.astype("float64"))[1]
    assert log_det.dtype == np.float32 and exact.min() < -20
    np.testing.assert_allclose(log_det, exact, rtol=2e-4, atol=2e-4)
