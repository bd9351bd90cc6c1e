"""What every variational family must satisfy; families come from the registry, so a new one is tested by existing."""

import pymc3_vi
from pymc3_vi.approximations._normalizing_flow import MOMENT_DRAWS
from pymc3_vi.compiler import compile_function, without_test_values
from pymc3_vi.core import FAMILIES
from pymc3_vi.graph import StepNoise

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from scipy import stats

FLOAT64 = theano.config.floatX == "float64"
pytestmark = pytest.mark.skipif(not FLOAT64, reason="the comparisons need float64")

#: Keywords that a family needs to be created.
REQUIRED = {"empirical": {"size": 40, "jitter": 1.0}}
#: Variants beside each family's default.
VARIANTS = {"normalizing_flow": [{"flow": f} for f in ("planar", "radial*2", "scale-hh*2-loc", "planar-scale-loc")]}
#: The maths is the same in Python, and takes no compiler.
PYTHON_MODE = theano.compile.mode.Mode("py", "fast_compile")
D = 4
ROWS = 3


def _cases():
    for name, _ in FAMILIES.items():
        for extra in VARIANTS.get(name, [{}]):
            yield pytest.param(
                name, dict(REQUIRED.get(name, {}), **extra), id="-".join([name, *map(str, extra.values())])
            )


CASES = list(_cases())


@pytest.fixture(scope="module")
def model():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        pm.Normal("a", 0.5, 1.0)
        pm.Normal("b", -1.0, 2.0, shape=(D - 1,))
        pm.Normal("rows", 0.0, 1.0, shape=(ROWS, 2))
    return model


def _group(model, name, options, variables=("a", "b"), **kwargs):
    """Group with parameters moved away from their start, so that no term vanishes by accident."""
    group = pymc3_vi.Group([model[v] for v in variables], vfam=name, model=model, random_seed=3, **options, **kwargs)
    rng = np.random.default_rng(7)
    for p in group.params:
        value = p.get_value()
        p.set_value((value + 0.3 * rng.standard_normal(value.shape)).astype(value.dtype))
    return group


def _evaluate(group, eps, what):
    with theano.config.change_flags(compute_test_value="off"):  # PyMC3 leaves it on after a model's block
        placeholder = tt.TensorType(theano.config.floatX, (False,) * eps.ndim)("eps")
        return compile_function([placeholder], what(placeholder), mode=PYTHON_MODE)(eps)


def _explicit(name):
    return FAMILIES.get(name).has_logq


@pytest.mark.parametrize("name, options", CASES)
def test_log_density_by_change_of_variables(model, name, options):
    """log q(z(eps)) = log N(eps) - log |det dz/deps| with a numeric Jacobian."""
    if not _explicit(name):
        pytest.skip("no log density")
    group = _group(model, name, options)
    eps = np.random.default_rng(1).standard_normal((5, D))
    logq = _evaluate(group, eps, group.log_density)
    step = 1e-6
    for i, e in enumerate(eps):
        moved = np.concatenate([e + step * np.eye(D), e - step * np.eye(D)])
        z = _evaluate(group, moved, group.transform)
        jacobian = (z[:D] - z[D:]) / (2 * step)
        expected = stats.norm.logpdf(e).sum() - np.linalg.slogdet(jacobian)[1]
        assert logq[i] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name, options", CASES)
def test_score_is_the_gradient_of_log_q_in_z(model, name, options):
    """d log q / d eps = (dz/deps)^T score, by finite differences of both."""
    if not _explicit(name):
        pytest.skip("no log density")
    group = _group(model, name, options)
    e = np.random.default_rng(2).standard_normal(D)
    step = 1e-6
    moved = np.concatenate([e + step * np.eye(D), e - step * np.eye(D)])
    z, logq = (_evaluate(group, moved, f) for f in (group.transform, group.log_density))
    jacobian = (z[:D] - z[D:]) / (2 * step)  # rows: derivative along eps_i
    slope = (logq[:D] - logq[D:]) / (2 * step)
    score = _evaluate(group, e[None], group.score)[0]
    np.testing.assert_allclose(jacobian @ score, slope, atol=2e-5)
    np.testing.assert_allclose(_evaluate(group, e, group.score), score, atol=1e-10)


@pytest.mark.parametrize("name, options", CASES)
def test_one_draw_equals_a_row_of_a_batch(model, name, options):
    group = _group(model, name, options)
    eps = np.random.default_rng(3).standard_normal((3, D))
    batch = _evaluate(group, eps, group.transform)
    for row, e in zip(batch, eps):
        np.testing.assert_allclose(_evaluate(group, e, group.transform), row, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name, options", CASES)
def test_moments_of_draws(model, name, options):
    """Mean and covariance of 1e5 draws by t-test against the family's own."""
    group = _group(model, name, options)
    mean, cov, std = compile_function([], [group.mean, group.cov, group.std], mode=PYTHON_MODE)()
    size = 100_000
    noise = group.noise_array(size, np.random.default_rng(4))
    z = _evaluate(group, noise, group.transform)
    np.testing.assert_allclose(std**2, np.diag(cov), rtol=1e-8)
    # Moments that are themselves those of fixed draws have an error of their own.
    error_of = 1 / np.sqrt(size) + (1 / np.sqrt(MOMENT_DRAWS) if name == "normalizing_flow" else 0.0)
    assert (np.abs(z.mean(0) - mean) < 4.5 * std * error_of).all()
    centred = z - mean
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(0) * error_of
    assert (np.abs(products.mean(0) - cov) < 4.5 * error + 1e-12).all()


@pytest.mark.parametrize("name, options", CASES)
def test_gradients_reach_every_parameter(model, name, options):
    with theano.config.change_flags(compute_test_value="off"):
        _check_gradients(_group(model, name, options), name)


def _check_gradients(group, name):
    eps = np.random.default_rng(5).standard_normal((6, D))
    if not _explicit(name):
        cost = tt.sum(group.histogram**2)
        grads = compile_function([], tt.grad(cost, group.params), mode=PYTHON_MODE)()
    else:
        x = tt.matrix("eps", dtype=theano.config.floatX)
        z = group.transform(x)
        cost = tt.sum(tt.sin(z) * np.arange(1.0, D + 1)) + tt.sum(group.log_density(x))
        grads = compile_function([x], tt.grad(cost, group.params), mode=PYTHON_MODE)(eps)
    for p, g in zip(group.params, grads):
        assert np.isfinite(g).all() and (np.abs(g) > 1e-12).any(), p.name


@pytest.mark.parametrize("name, options", CASES)
def test_rows_are_independent_copies_of_the_family(model, name, options):
    """A rowwise group equals one group a row, with that row's parameters."""
    if not FAMILIES.get(name).supports_batched:
        with pytest.raises(pymc3_vi.errors.BatchedGroupError, match="rowwise"):
            _group(model, name, options, ("rows",), rowwise=True)
        return
    group = _group(model, name, options, ("rows",), rowwise=True)
    eps = np.random.default_rng(6).standard_normal((5, ROWS, 2))
    z = _evaluate(group, eps, group.transform)
    logq = _evaluate(group, eps, group.log_density)
    score = _evaluate(group, eps, group.score)
    np.testing.assert_allclose(_evaluate(group, eps[0], group.score), score[0], atol=1e-10)
    assert z.shape == score.shape == (5, ROWS, 2) and logq.shape == (5,)
    step, total = 1e-6, np.zeros(5)
    for s in range(5):
        for b in range(ROWS):
            moved = np.repeat(eps[s][None], 4, axis=0)
            for i in range(2):
                moved[i, b, i] += step
                moved[i + 2, b, i] -= step
            zs = _evaluate(group, moved, group.transform)
            others = [r for r in range(ROWS) if r != b]
            np.testing.assert_allclose(zs[:, others], np.broadcast_to(z[s][others], (4, ROWS - 1, 2)), atol=1e-12)
            jacobian = (zs[:2, b] - zs[2:, b]) / (2 * step)
            total[s] += stats.norm.logpdf(eps[s, b]).sum() - np.linalg.slogdet(jacobian)[1]
            if s == 0:
                moved_logq = _evaluate(group, moved, group.log_density)
                slope = (moved_logq[:2] - moved_logq[2:]) / (2 * step)
                np.testing.assert_allclose(jacobian @ score[s, b], slope, atol=2e-5)
    np.testing.assert_allclose(logq, total, atol=1e-6)
    single = _evaluate(group, eps[0], group.transform)
    np.testing.assert_allclose(single, z[0], atol=1e-12)


@pytest.mark.parametrize("name, options", CASES)
def test_same_seed_same_parameters_and_noise(model, name, options):
    @without_test_values
    def draw(seed):
        group = pymc3_vi.Group([model.a, model.b], vfam=name, model=model, random_seed=seed, **options)
        noise = StepNoise()
        placeholder = group.draw_noise(noise)
        rows = noise.allocate()
        noise.refill()
        value = compile_function([], theano.clone(placeholder, rows), mode=PYTHON_MODE)()
        return [p.get_value() for p in group.params], value

    (params, noise), (again, same) = draw(1), draw(1)
    for x, y in zip(params, again):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(noise, same)
    assert (noise != draw(2)[1]).any()


def test_groups_with_the_same_seed_have_independent_noise(model):
    values = []
    for variables in (("a",), ("b",)):
        group = _group(model, "mean_field", {}, variables)
        values.append(group.seeds.generator("noise:" + group._stream).standard_normal(2000))
    assert abs(np.corrcoef(values)[0, 1]) < 5 / np.sqrt(2000)


@pytest.mark.parametrize("name", ["mean_field", "full_rank"])
def test_kl_and_path_gradient_vanish_where_q_is_the_target(name, model_fast):
    """Target N(m, C): at q = target every single draw of log q - log p is 0, and so is every path gradient."""
    rng = np.random.default_rng(8)
    m, root = rng.standard_normal(3), np.tril(rng.standard_normal((3, 3))) + 2 * np.eye(3)
    sd = np.abs(np.diag(root))
    with model_fast(), pm.Model() as target:
        if name == "mean_field":
            pm.Normal("x", m, sd, shape=3)
        else:
            pm.MvNormal("x", m, chol=root, shape=3)
    approx = {"mean_field": pymc3_vi.MeanField, "full_rank": pymc3_vi.FullRank}[name](
        model=target, cost_part_grad_scale=0, random_seed=1
    )
    approx.shared_params["mu"].set_value(m)
    if name == "mean_field":
        approx.shared_params["rho"].set_value(np.log(np.expm1(sd)))
    else:
        approx.shared_params["L_tril"].set_value(root[np.tril_indices(3)])
    before = [p.get_value() for p in approx.params]
    pymc3_vi.KLqp(approx).fit(50, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1.0))
    assert np.abs(approx.hist).max() < 1e-10
    for p, value in zip(approx.params, before):
        np.testing.assert_allclose(p.get_value(), value, atol=1e-9)
    if name == "full_rank":
        np.testing.assert_allclose(approx.cov.eval(), root @ root.T, rtol=1e-8)
        chol = approx.L_chol.eval()
        np.testing.assert_allclose(chol, np.linalg.cholesky(root @ root.T), rtol=1e-8, atol=1e-10)
