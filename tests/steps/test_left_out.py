"""Draws without a finite loss or gradient are left out of their steps."""

from collections import OrderedDict

from pymc3_vi.graph import SeedStream, StepNoise, substitute
from pymc3_vi.steps import Step, StepDiverged, StepGraph

import numpy as np
import pytest
import theano
import theano.tensor as tt

LIMIT = 1.0


def _step(loss_of, draws=1, scored=True):
    """Steps of w := w - 0.1 * mean(eps) and of another parameter along the gradient of mean(loss_of(eps))."""
    noise = StepNoise(max_rows=64)
    w, v = theano.shared(0.0, "w"), theano.shared(0.0, "v")
    eps = noise.add((draws, 1), SeedStream(3).generator("noise"), draws=draws)
    loss = tt.mean(loss_of(eps))
    updates = OrderedDict([(w, w - 0.1 * tt.mean(eps)), (v, v + tt.grad(loss, eps).sum())])
    rows = noise.allocate()
    nodes = substitute(list(updates.values()) + [loss], rows)
    graph = StepGraph(nodes[-1] if scored else None, OrderedDict(zip(updates, nodes)), [w, v], noise, [])
    return Step(graph, fn_kwargs={"mode": theano.Mode("py", "fast_compile")}), w


CHOLESKY = tt.slinalg.Cholesky(lower=True, on_error="raise")
LOSSES = {
    "infinite": lambda eps: tt.switch(eps < LIMIT, eps, np.inf),
    "slope": lambda eps: tt.sqrt(tt.maximum(LIMIT - eps, 0.0)),  # 0 times an infinite slope beyond
    "raises": lambda eps: tt.log(tt.nlinalg.extract_diag(CHOLESKY(tt.diag((LIMIT - eps)[:, 0])))),
}


@pytest.mark.parametrize("kind, draws, scored", [(k, d, s) for k in LOSSES for d in (1, 5) for s in (True, False)])
def test_steps_use_the_next_draws_in_their_place(kind, draws, scored):
    """A NumPy twin: in every row the draws beyond the limit are drawn again, until none is left."""
    if kind == "infinite" and not scored:
        pytest.skip("a loss that nobody computes cannot be seen")
    n = 150
    step, w = _step(LOSSES[kind], draws, scored)
    generator, right, left_out = SeedStream(3).generator("noise"), 0.0, 0
    for begin in range(0, n, 64):
        block = generator.standard_normal((64, draws, 1))
        for row in block[: n - begin]:
            while (row >= LIMIT).any():
                left_out += int((row >= LIMIT).sum())
                row[row >= LIMIT] = generator.standard_normal((draws, 1))[row >= LIMIT]
            right -= 0.1 * row.mean()
    losses = step.run(n)
    assert step.left_out.count == left_out > 10 and step.steps_done == n
    assert w.get_value() == pytest.approx(right, abs=1e-12)
    assert not scored or (len(losses) == n and np.isfinite(losses).all())


def test_nothing_depends_on_how_steps_are_divided():
    whole, w = _step(LOSSES["infinite"])
    parts, v = _step(LOSSES["infinite"])
    losses = whole.run(100)
    np.testing.assert_array_equal(losses, np.concatenate([parts.run(k) for k in [1] * 30 + [7, 63]]))
    assert w.get_value() == v.get_value() and whole.left_out.events == parts.left_out.events


def test_what_no_draw_mends_ends_the_run():
    step, w = _step(lambda eps: tt.switch(w_is_small(eps), eps, np.nan))
    with pytest.raises(StepDiverged):
        step.run(10)
    assert step.steps_done == 0 and w.get_value() == 0.0


def w_is_small(eps):
    return abs(eps) > 50.0


def test_the_state_of_an_optimizer_must_stay_finite_too():
    """1e200 squared is infinite, and Adam's parameter would never move again."""
    noise = StepNoise(max_rows=64)
    w, square = theano.shared(0.0, "w"), theano.shared(0.0, "square")
    eps = noise.add((1,), SeedStream(3).generator("noise"))
    grad = tt.switch(eps[0] > LIMIT, 1e200, eps[0])
    new = 0.9 * square + grad**2
    nodes = substitute([new, w - grad / tt.sqrt(new + 1e-8)], noise.allocate())
    step = Step(
        StepGraph(None, OrderedDict([(square, nodes[0]), (w, nodes[1])]), [w], noise, [], [square]),
        fn_kwargs={"mode": theano.Mode("py", "fast_compile")},
    )
    step.run(50)
    assert np.isfinite(square.get_value()) and step.left_out.count > 0


def _at_an_edge(centre, sd, mode):
    """Steps of N(mu, e^rho) towards N(mode, 0.03) cut off at 1, each by 0.002 along the sign of its slope."""
    noise = StepNoise(max_rows=64)
    mu, rho = theano.shared(centre, "mu"), theano.shared(np.log(sd), "rho")
    eps = noise.add((1,), SeedStream(3).generator("noise"))
    z = (mu + tt.exp(rho) * eps)[0]
    loss = tt.switch(z < 1.0, 0.5 * ((z - mode) / 0.03) ** 2 - 0.5 * tt.log(1 - z), np.inf) - rho
    rows = noise.allocate()
    slopes = tt.grad(loss, [mu, rho])
    updates = OrderedDict((p, p - 0.002 * g / (1e-9 + abs(g))) for p, g in zip([mu, rho], slopes))
    nodes = substitute(list(updates.values()) + [loss], rows)
    graph = StepGraph(nodes[-1], OrderedDict(zip(updates, nodes)), [mu, rho], noise, [])
    return Step(graph), mu, rho


@pytest.mark.parametrize("centre, sd", [(0.0, 0.7), (0.5, 0.5)])
def test_the_centre_does_not_cross_the_edge(centre, sd):
    """As autoregressions have it: most draws of a wide q that are left point beyond."""
    step, mu, rho = _at_an_edge(centre, sd, 0.95)
    step.run(6000)
    assert 0.8 < mu.get_value() < 1.0 and np.exp(rho.get_value()) < 0.15


def test_the_scale_shrinks_while_the_centre_lies_at_the_edge():
    """Every draw inside points beyond; only what crosses is taken back, and steps go on where half the draws break."""
    step, mu, rho = _at_an_edge(0.9, 0.7, 0.999)
    step.run(300)
    assert mu.get_value() < 1.01 and rho.get_value() == pytest.approx(np.log(0.7) - 0.5, abs=0.1)
