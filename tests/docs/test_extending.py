"""The skeletons of docs/extending/, run from their pages, with their answers checked."""

from pathlib import Path

from pymc3_vi import algorithms, compiler, core, flows, inference, test_functions, updates
from pymc3_vi.errors import EngineError

import numpy as np
import pytest
import theano
import theano.tensor as tt
from scipy import stats

from .pages import DOCS, run_page

REGISTRIES = [
    core.FAMILIES,
    flows.FLOWS,
    test_functions.KERNELS,
    updates.OPTIMIZERS,
    compiler.ENGINES,
    inference.METHODS,
    algorithms.ALGORITHMS,
]


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    """What a page registers is forgotten after its test."""
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        monkeypatch.setattr(registry, "_aliases", dict(registry._aliases))


def numbers(node, **inputs):
    """Value of a graph without waiting for a compiler."""
    function = theano.function(list(inputs.values()), node, mode=theano.Mode(linker="py", optimizer=None))
    return function


def test_every_page_has_a_test_and_is_listed():
    index = (DOCS / "extending" / "index.md").read_text(encoding="utf-8")
    source = Path(__file__).read_text(encoding="utf-8")
    for page in (DOCS / "extending").glob("*.md"):
        if page.stem != "index":
            assert f'run_page("extending/{page.name}")' in source and f"\n{page.stem}\n" in index


def test_family():
    approx = run_page("extending/family.md")["approx"]
    group = approx.groups[0]
    centre, width = (group.params_dict[name].get_value() for name in ("centre", "width"))
    np.testing.assert_allclose(centre, [1.0, -2.0], atol=0.3)
    np.testing.assert_allclose(width, np.log([0.5, 3.0]), atol=0.2)
    eps = tt.dmatrix("eps")
    z, logq = numbers([group.transform(eps), group.log_density(eps)], eps=eps)(np.array([[0.3, -1.2], [2.0, 0.0]]))
    u = (z - centre) / np.exp(width)
    exact = stats.norm.logpdf(np.arcsinh(u)) - np.log(np.exp(width) * np.sqrt(1 + u**2))
    np.testing.assert_allclose(logq, exact.sum(1), rtol=1e-6)
    draws = centre + np.exp(width) * np.sinh(stats.norm.rvs(size=(400000, 2), random_state=1))
    np.testing.assert_allclose(approx.std.eval(), draws.std(0), rtol=0.03)


def test_flow():
    names = run_page("extending/flow.md")
    flow = names["approx"].groups[0].flow
    curve = next(step for step in flow.chain.flows if step.short_name == "banana").shared_params["curve"].get_value()
    assert curve == pytest.approx(0.7, abs=0.1)
    step = names["BananaFlow"](dim=3, params={"curve": 0.8})
    z, g = tt.dvector("z"), tt.dvector("g")
    after, log_det = step.transform_and_log_det(z)
    nodes = [tt.jacobian(after, z), log_det, step.solve_jacobian_transpose(z, None, g)]
    jacobian, log_det, x = numbers(nodes, z=z, g=g)(np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(jacobian.T @ x, [1.0, 2.0, 3.0])
    assert log_det == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=1e-12)


def test_operator():
    names = run_page("extending/operator.md")
    losses = names["inference"].hist
    y, n = np.array([1.0, 2.0, 3.0]), 3
    evidence = stats.multivariate_normal(np.zeros(n), np.eye(n) + 1).logpdf(y)
    mean, sd = y.sum() / (n + 1), (n + 1) ** -0.5
    ratio = names["approx"].std.eval()[0] / sd
    gap = 0.5 * (ratio**2 + ((names["approx"].mean.eval()[0] - mean) / sd) ** 2 - 1) - np.log(ratio)
    error = losses.std() / np.sqrt(len(losses))
    assert -evidence + 4 * error < losses.mean() < -evidence + gap - 4 * error


def test_kernel():
    names = run_page("extending/kernel.md")
    particles = names["approx"].histogram.eval()
    np.testing.assert_allclose(particles.mean(0), [3.0, -1.0], atol=0.2)
    np.testing.assert_allclose(particles.std(0), [1.0, 0.5], rtol=0.3)
    X = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5], [3.0, 3.0]])
    symbol = tt.dmatrix("X")
    K, dK = numbers(list(names["two_widths"](symbol)), X=symbol)(X)
    differences = X[:, None] - X
    squared = (differences**2).sum(-1)
    h = np.median(squared) / (2 * np.log(5))
    parts = [np.exp(-squared / (2 * f * h)) / 2 for f in (0.25, 4.0)]
    np.testing.assert_allclose(K, sum(parts))
    slopes = parts[0] / (0.25 * h) + parts[1] / (4 * h)
    np.testing.assert_allclose(dK, (slopes[:, :, None] * differences).sum(1))


def test_optimizer():
    names = run_page("extending/optimizer.md")
    w, mean = np.array([1.0, -2.0]), np.zeros(2)
    for _ in range(10):
        names["step"]()
        mean = 0.9 * mean + 0.1 * 2 * w
        w = w - 0.1 * np.sign(mean)
        np.testing.assert_allclose(names["weights"].get_value(), w, atol=1e-12)
    assert updates.OPTIMIZERS.get("signum") is names["signum"]
    assert repr(names["signum"](learning_rate=0.1)) == "signum(learning_rate=0.1)"


def test_engine():
    names = run_page("extending/engine.md")
    np.testing.assert_array_equal(names["double"]([1.0, 2.5]), [2.0, 5.0])
    state = theano.shared(3.0)
    step = compiler.compile_function([], None, updates={state: state / 2}, engine="plain_python")
    compiler.run_steps(step, 3)
    assert state.get_value() == 0.375
    with theano.config.change_flags(floatX="float32"), pytest.raises(EngineError, match="float64 only"):
        compiler.compile_function([], tt.constant(1.0), engine="plain_python")


def test_method():
    approx = run_page("extending/method.md")["approx"]
    precision = 1 + 3 / 4  # the likelihood counts a quarter
    assert approx.mean.eval()[0] == pytest.approx(6 / 4 / precision, abs=0.02)
    assert approx.std.eval()[0] == pytest.approx(precision**-0.5, rel=0.02)


def test_algorithm():
    names = run_page("extending/algorithm.md")
    approx = names["approx"]
    assert approx.mean.eval()[0] == pytest.approx(6 / 4, abs=0.02)
    assert approx.std.eval()[0] == pytest.approx(0.5, rel=0.02)

    def interrupt(approx, losses, i):
        if i == 100:
            raise KeyboardInterrupt

    part = inference.ADVI(model=names["model"], random_seed=1)
    part.fit(300, algorithm=names["OnlineNewton"](), callbacks=[interrupt], progressbar=False)
    assert len(part.hist) == 100 and part.report.options["algorithm"] == "online Newton steps of 32 draws"
    part.resume(callbacks=[], progressbar=False)
    np.testing.assert_array_equal(part.hist, approx.hist)


def test_vectorize():
    names = run_page("extending/vectorize.md")
    assert names["fallbacks"] == []
    single, batched, x, draws = (names[name] for name in ("single", "batched", "x", "draws"))
    one = numbers([single, tt.grad(single, x)], x=x)
    many = numbers([batched, tt.grad(batched.sum(), draws)], draws=draws)
    points = np.arange(6.0).reshape(2, 3) - 2.5
    values, gradients = many(points)
    for point, value, gradient in zip(points, values, gradients):
        expected = one(point)
        assert value == pytest.approx(expected[0]) and value == pytest.approx((np.cumsum(point) ** 2).sum())
        np.testing.assert_allclose(gradient, expected[1])


def test_callback():
    approx = run_page("extending/callback.md")["approx"]
    assert len(approx.hist) == 100 and "0 seconds are over" in str(approx.report)
