"""The models in the language that PyMC3 and PyMC 5 share.

A factory takes the package, its module of symbolic functions, and the data; it returns a model and whether its
approximation is of full rank.  What the two packages spell differently is in `_Spelling`.
"""

__all__ = ["build"]

BATCH, HIDDEN = 100, 20


class _Spelling:
    """What differs between PyMC3 and PyMC 5."""

    def __init__(self, pm):
        self.is_pymc3 = hasattr(pm, "theanof")
        self.pm = pm

    def marginal(self, gp, x, y, noise):
        return gp.marginal_likelihood("y", X=x, y=y, **{"noise" if self.is_pymc3 else "sigma": noise})

    def cholesky(self, n):
        packed_or_more = self.pm.LKJCholeskyCov(
            "chol", n=n, eta=2, sd_dist=self.pm.HalfNormal.dist(2.5, **({} if self.is_pymc3 else {"shape": n}))
        )
        return self.pm.expand_packed_triangular(n, packed_or_more) if self.is_pymc3 else packed_or_more[0]

    def minibatch(self, x, y):
        if self.is_pymc3:
            return self.pm.Minibatch(x, BATCH), self.pm.Minibatch(y, BATCH)
        return self.pm.Minibatch(x, y, batch_size=BATCH)


def normal(pm, tt, data):
    with pm.Model() as model:
        mu = pm.Normal("mu", mu=0, sigma=10)
        sigma = pm.HalfNormal("sigma", sigma=5)
        pm.Normal("y", mu=mu, sigma=sigma, observed=data["y"])
    return model


def schools(pm, tt, data):
    with pm.Model() as model:
        mu = pm.Normal("mu", mu=0, sigma=5)
        tau = pm.HalfCauchy("tau", beta=5)
        offset = pm.Normal("offset", mu=0, sigma=1, shape=8)
        pm.Normal("y", mu=mu + tau * offset, sigma=data["se"], observed=data["y"])
    return model


def radon(pm, tt, data):
    with pm.Model() as model:
        intercept = pm.Normal("intercept", mu=0, sigma=5)
        uranium = pm.Normal("uranium", mu=0, sigma=5)
        floor = pm.Normal("floor", mu=0, sigma=5)
        county_sd = pm.HalfNormal("county_sd", sigma=1)
        sigma = pm.HalfNormal("sigma", sigma=1)
        offset = pm.Normal("offset", mu=0, sigma=1, shape=len(data["uranium"]))
        county = intercept + uranium * data["uranium"] + county_sd * offset
        pm.Normal("y", mu=county[data["county"]] + floor * data["floor"], sigma=sigma, observed=data["y"])
    return model


def logistic(pm, tt, data):
    with pm.Model() as model:
        beta = pm.Normal("beta", mu=0, sigma=1, shape=data["x"].shape[1])
        pm.Bernoulli("y", logit_p=tt.dot(data["x"], beta), observed=data["y"])
    return model


def gp(pm, tt, data):
    with pm.Model() as model:
        length = pm.Gamma("length", alpha=2, beta=1)
        scale = pm.HalfNormal("scale", sigma=2)
        noise = pm.HalfNormal("noise", sigma=1)
        process = pm.gp.Marginal(cov_func=scale**2 * pm.gp.cov.ExpQuad(1, length))
        _Spelling(pm).marginal(process, data["x"], data["y"], noise)
    return model


def mixture(pm, tt, data):
    with pm.Model() as model:
        weights = pm.Dirichlet("weights", a=[2.0, 2.0])
        mu = pm.Normal("mu", mu=[-1.0, 1.0], sigma=2, shape=2)
        sigma = pm.HalfNormal("sigma", sigma=2, shape=2)
        pm.NormalMixture("y", w=weights, mu=mu, sigma=sigma, observed=data["y"])
    return model


def bnn(pm, tt, data):
    n, d = data["x"].shape
    with pm.Model() as model:
        x, y = _Spelling(pm).minibatch(data["x"], data["y"])
        first = pm.Normal("first", mu=0, sigma=1, shape=(d, HIDDEN))
        second = pm.Normal("second", mu=0, sigma=1, shape=(HIDDEN, HIDDEN))
        third = pm.Normal("third", mu=0, sigma=1, shape=HIDDEN)
        mean = tt.dot(tt.tanh(tt.dot(tt.tanh(tt.dot(x, first)), second)), third)
        pm.Normal("y", mu=mean, sigma=0.2, observed=y, total_size=n)
    return model


def lkj(pm, tt, data):
    d = data["y"].shape[1]
    with pm.Model() as model:
        factor = _Spelling(pm).cholesky(d)
        mu = pm.Normal("mu", mu=0, sigma=5, shape=d)
        pm.MvNormal("y", mu=mu, chol=factor, observed=data["y"])
    return model


def independent(pm, tt, data):
    with pm.Model() as model:
        pm.Normal("z", mu=0, sigma=1, shape=int(data["d"]))
    return model


def build(name, pm, tt, data):
    """The model of the benchmark called `name`."""
    if name.startswith("full-rank"):
        return independent(pm, tt, data)
    return globals()[name.split("-")[0]](pm, tt, data)
