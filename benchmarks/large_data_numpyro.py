"""NumPyro's subsampling on the models of ``benchmarks.large_data``; runs in an environment of its own."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

from benchmarks.large_data_rows import GROUPS, K

__all__ = ["fit"]

#: Step size of Adam, the one of NumPyro's examples.
RATE = 0.01


def _model(kind, arrays, batch):
    rows = len(arrays["y"])
    slopes = numpyro.sample("b", dist.Normal(0, 10).expand([K]).to_event(1))
    if "groups" in kind:
        level, spread = numpyro.sample("m", dist.Normal(0, 5)), numpyro.sample("s", dist.HalfNormal(2))
        effects = numpyro.sample("effects", dist.Normal(level, spread).expand([GROUPS]).to_event(1))
    else:
        level = numpyro.sample("a", dist.Normal(0, 10))
    noise = numpyro.sample("s", dist.HalfNormal(5)) if "linear" in kind else None
    with numpyro.plate("rows", rows, subsample_size=batch) as index:
        eta = arrays["x"][index] @ slopes + (effects[arrays["g"][index]] if "groups" in kind else level)
        of = dist.Normal(eta, noise) if "linear" in kind else None
        of = dist.Poisson(jnp.exp(eta)) if kind == "poisson" else of
        numpyro.sample("y", dist.Bernoulli(logits=eta) if of is None else of, obs=arrays["y"][index])


def fit(columns, kind, steps, batch):
    """Mean field by `steps` of Adam; CPU and wall seconds without compiling, and (means, sds) by name."""
    jax.config.update("jax_enable_x64", True)
    names = "xyg" if "groups" in kind else "xy"
    arrays = {name: jnp.asarray(np.array(c)) for name, c in zip(names, columns)}
    guide = AutoNormal(_model)
    svi = SVI(_model, guide, numpyro.optim.Adam(RATE), Trace_ELBO())
    state = svi.init(jax.random.PRNGKey(1), kind, arrays, batch)

    def many(state, arrays, count):
        return jax.lax.fori_loop(0, count, lambda i, s: svi.update(s, kind, arrays, batch)[0], state)

    run = jax.jit(many)
    jax.block_until_ready(run(state, arrays, 2).optim_state)  # compiles
    cpu, wall = time.process_time(), time.perf_counter()
    state = run(state, arrays, steps)
    jax.block_until_ready(state.optim_state)
    seconds = dict(seconds=time.process_time() - cpu, wall=time.perf_counter() - wall)
    params = svi.get_params(state)
    plain = {"s_log__" if n == "s" else n: n for n in ("a", "b", "m", "s", "effects") if f"{n}_auto_loc" in params}
    q = {
        name: [np.ravel(params[f"{n}_auto_{what}"]).tolist() for what in ("loc", "scale")] for name, n in plain.items()
    }
    return dict(seconds, q=q)
