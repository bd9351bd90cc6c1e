"""A call that works of every public function, so that one argument at a time can be replaced by a wrong one."""

import pymc3_vi
import pymc3_vi.plots as plots
import pymc3_vi.updates as updates
from pymc3_vi.algorithms import FixedDraws
from pymc3_vi.flows import Formula, LocFlow
from pymc3_vi.test_functions import IMQ, RBF

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt

__all__ = ["OPTIMIZERS", "calls"]

OPTIMIZERS = (
    "sgd", "momentum", "nesterov_momentum", "adagrad", "adagrad_window", "rmsprop", "adadelta", "adam", "adamax",
)  # fmt: skip
QUIET = dict(progressbar=False)


def _model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("w", 0.0, 1.0, shape=2)
        pm.Normal("y", mu, 1.0, observed=np.array([1.0, 2.0, 1.5]))
    return model


def _many_fits():
    """A model with a data container, and its fits to two data sets."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        y = pm.Data("y", np.zeros(3))
        pm.Normal("obs", pm.Normal("mu", 0.0, 1.0), 1.0, observed=y)
    keywords = dict(model=model, data={"y": np.ones((2, 3))}, random_seed=1, **QUIET)
    return keywords, pymc3_vi.fit_many(**keywords)


def calls(folder):
    """Row of the table -> (function, keywords with which it works)."""
    model = _model()
    sgd = pymc3_vi.sgd(learning_rate=0.01)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    approx = inference.fit(3, obj_optimizer=sgd, **QUIET)
    approx.save(folder / "approximation.npz")
    inference.save(folder / "inference.npz")
    dadvi = pymc3_vi.DADVI(model=model, random_seed=1)
    dadvi.fit(5, tol=None, **QUIET)
    asvgd = pymc3_vi.ASVGD(model=model, random_seed=1)
    particles = pymc3_vi.Empirical(size=5, model=model)
    whole = pymc3_vi.Group([model["mu"], model["w"]], vfam="mf", model=model)
    kl, ksd = pymc3_vi.KL(approx), pymc3_vi.KSD(particles)
    objective = kl(None)
    tracker = pymc3_vi.Tracker(one=lambda: 1.0)
    tracker(None, None, 1)
    x = theano.shared(np.ones(2), "x")
    loss = (x**2).sum()
    moved = updates.sgd(loss, [x], 0.1)
    mu = model["mu"]
    many, fits = _many_fits()
    calibration = pymc3_vi.sbc(model, n=20, random_seed=1, **QUIET)
    fits.save(folder / "fits.npz")
    new = {"model": model, "random_seed": 1}

    def grouped(**given):
        return pymc3_vi.Approximation([pymc3_vi.Group(**given)], model=model)

    found = {
        "fit": (pymc3_vi.fit, dict(n=1, obj_optimizer=sgd, **new, **QUIET)),
        "fit_many": (pymc3_vi.fit_many, many),
        "sbc": (pymc3_vi.sbc, dict(n=20, draws=9, **new, **QUIET)),
        "bootstrap": (pymc3_vi.bootstrap, dict(n=2, model=many["model"], random_seed=1, **QUIET)),
        "kfold": (pymc3_vi.kfold, dict(k=2, model=many["model"], random_seed=1, **QUIET)),
        "Calibration.levels": (calibration.levels, {}),
        "Calibration.miscalibrated": (calibration.miscalibrated, {}),
        "Calibration.ranks": (calibration.ranks, {}),
        "plot_ranks": (plots.plot_ranks, dict(calibration=calibration)),
        "FitCollection.draws": (fits.draws, {}),
        "FitCollection.to_inference_data": (fits.to_inference_data, {}),
        "FitCollection.save": (fits.save, dict(path=folder / "fits.npz")),
        "FitCollection.load": (pymc3_vi.FitCollection.load, dict(path=folder / "fits.npz")),
        "Inference": (pymc3_vi.Inference, dict(op=pymc3_vi.KL, approx=approx, tf=None)),
        "Inference.fit": (inference.fit, dict(n=1, obj_optimizer=sgd, **QUIET)),
        "Inference.refine": (inference.refine, dict(n=1, **QUIET)),
        "refine": (approx.refine, dict(n=1, **QUIET)),
        "Inference.resume": (inference.resume, dict(**QUIET)),
        "Inference.save": (inference.save, dict(path=folder / "again.npz")),
        "Inference.load": (pymc3_vi.Inference.load, dict(path=folder / "inference.npz", model=model)),
        "Inference.restore": (inference.restore, dict(path=folder / "inference.npz")),
        "KLqp": (pymc3_vi.KLqp, dict(approx=approx)),
        "ADVI": (pymc3_vi.ADVI, new),
        "FullRankADVI": (pymc3_vi.FullRankADVI, new),
        "NFVI": (pymc3_vi.NFVI, new),
        "ImplicitGradient": (pymc3_vi.ImplicitGradient, dict(approx=particles)),
        "SVGD": (pymc3_vi.SVGD, dict(n_particles=5, **new)),
        "ASVGD": (pymc3_vi.ASVGD, new),
        "ASVGD.fit": (asvgd.fit, dict(n=1, obj_n_mc=3, obj_optimizer=sgd, **QUIET)),
        "DADVI": (pymc3_vi.DADVI, new),
        "DADVI.fit": (dadvi.fit, dict(n=1, n_draws=16, tol=None, **QUIET)),
        "FixedDraws": (FixedDraws, {}),
        "DataLoader": (pymc3_vi.DataLoader, dict(source=np.arange(20.0), batch_size=5)),
        "CheckParametersConvergence": (pymc3_vi.CheckParametersConvergence, {}),
        "Converged": (pymc3_vi.Converged, {}),
        "Checkpoint": (pymc3_vi.Checkpoint, dict(every=5, path=folder / "checkpoint.npz")),
        "Group": (grouped, dict(group=[mu, model["w"]], vfam="mf", **new)),
        "Group.reseed": (whole.reseed, dict(random_seed=1)),
        "Approximation": (pymc3_vi.Approximation, dict(groups=[whole], model=model)),
        "MeanField": (pymc3_vi.MeanField, new),
        "FullRank": (pymc3_vi.FullRank, new),
        "Empirical": (pymc3_vi.Empirical, dict(size=4, **new)),
        "NormalizingFlow": (pymc3_vi.NormalizingFlow, new),
        "Approximation.collect": (approx.collect, dict(item="ddim")),
        "Approximation.group_of": (approx.group_of, dict(variable="mu")),
        "Approximation.reseed": (approx.reseed, dict(random_seed=1)),
        "Approximation.sample_node": (approx.sample_node, dict(node=mu)),
        "Approximation.apply_replacements": (approx.apply_replacements, dict(node=mu)),
        "JointPlaceholders.set_size_and_deterministic": (
            approx.set_size_and_deterministic, dict(node=approx.symbolic_logq, s=1, d=0)
        ),
        "JointPlaceholders.rslice": (approx.rslice, dict(name="mu")),
        "Empirical.evaluate_over_trace": (particles.evaluate_over_trace, dict(node=mu)),
        "Operator": (pymc3_vi.Operator, dict(approx=approx)),
        "KL": (pymc3_vi.KL, dict(approx=approx)),
        "KSD": (pymc3_vi.KSD, dict(approx=particles)),
        "KSD.stein": (ksd.stein, dict(f="rbf")),
        "Operator()": (ksd, dict(f="rbf")),
        "ObjectiveFunction": (pymc3_vi.ObjectiveFunction, dict(op=kl, tf=pymc3_vi.TestFunction())),
        "ObjectiveFunction.build_step": (objective.build_step, dict(obj_optimizer=sgd)),
        "ObjectiveFunction.step_function": (objective.step_function, dict(obj_optimizer=sgd)),
        "ObjectiveFunction.updates": (objective.updates, dict(obj_optimizer=sgd)),
        "ObjectiveFunction.score_function": (objective.score_function, {}),
        "Stein": (pymc3_vi.Stein, dict(approx=particles)),
        "Stein.updates": (pymc3_vi.Stein(particles).updates, dict(obj=objective, obj_optimizer=sgd)),
        "TestFunction.from_function": (pymc3_vi.TestFunction.from_function, dict(f="rbf")),
        "RBF": (RBF, {}),
        "IMQ": (IMQ, {}),
        "Formula": (Formula, dict(formula="loc")),
        "Formula()": (Formula("loc"), dict(dim=2)),
        "AbstractFlow": (LocFlow, dict(dim=2)),
        "Sampling.sample": (approx.sample, dict(draws=3)),
        "Sampling.sample_arrays": (approx.sample_arrays, dict(draws=3)),
        "Sampling.sample_vp": (approx.sample_vp, dict(draws=3)),
        "Sampling.generator": (approx.generator, {}),
        "sample_approx": (pymc3_vi.sample_approx, dict(approx=approx, draws=3)),
        "diagnose": (approx.diagnose, dict(draws=100)),
        "HMC": (pymc3_vi.HMC, {}),
        "expectation": (approx.expectation, dict(node=mu, draws=50)),
        "lrvb_cov": (dadvi.approx.lrvb_cov, {}),
        "summary": (approx.summary, dict(draws=100)),
        "to_inference_data": (approx.to_inference_data, dict(draws=50)),
        "save_approximation": (approx.save, dict(path=folder / "again.npz")),
        "load": (pymc3_vi.load, dict(path=folder / "approximation.npz", model=model)),
        "loo": (pymc3_vi.loo, dict(data=approx.to_inference_data(50))),
        "show_config": (pymc3_vi.show_config, dict(print_it=False)),
        "plot_elbo": (plots.plot_elbo, dict(fit=approx)),
        "plot_tracks": (plots.plot_tracks, dict(tracker=tracker)),
        "plot_posterior": (plots.plot_posterior, dict(fit=approx, draws=100)),
        "plot_khat": (plots.plot_khat, dict(fit=approx, draws=200)),
        "apply_momentum": (updates.apply_momentum, dict(updates=moved)),
        "apply_nesterov_momentum": (updates.apply_nesterov_momentum, dict(updates=moved)),
        "norm_constraint": (updates.norm_constraint, dict(tensor=tt.matrix(), max_norm=1.0)),
        "total_norm_constraint": (updates.total_norm_constraint, dict(tensor_vars=[tt.matrix()], max_norm=1.0)),
        "tail_average": (updates.tail_average, dict(updates=moved, params=[x], start=0)),
        "preconditioned": (updates.preconditioned, dict(optimizer=sgd, scales=[None])),
        "get_or_compute_grads": (updates.get_or_compute_grads, dict(loss_or_grads=loss, params=[x])),
        "constant": (updates.constant, dict(lr=1.0)),
        "exponential": (updates.exponential, dict(lr=1.0, decay=0.5, every=3)),
        "cosine": (updates.cosine, dict(lr=1.0, n=5)),
        "reduce_on_plateau": (updates.reduce_on_plateau, dict(lr=1.0)),
    }  # fmt: skip
    for name in OPTIMIZERS:
        found[name] = (getattr(updates, name), dict(loss_or_grads=loss, params=[x]))
    return found
