"""What the functions take that give results: draws, tables, files, diagnostics, plots."""

from ._common import APPROX, CLIENT, CORRECT, FITTED, FLAG, MODEL, NAMES, NODE, POSITIVE, SEED, count, nodes
from ._constraints import AnyOf, Anything, Array, DictOf, Instance, Interval, ListOf, OneOf, Optional, Path, Text

__all__ = ["ANSWERING"]

_COORDS = Optional(DictOf(Text("a name"), ListOf(Anything("a label"), "a list of labels")))
_PROBABILITY = Interval(float, 0, 1, low_open=True)
_ONE_AXES = Instance("matplotlib.Axes", allowed="Matplotlib axes")
_AXES = Optional(ListOf(_ONE_AXES, "Matplotlib axes or an array of them", single=True))
_SAMPLE = dict(draws=count(), include_transformed=FLAG, random_seed=SEED, correct=CORRECT)

ANSWERING = {
    "Sampling.sample": _SAMPLE,
    "Sampling.sample_arrays": _SAMPLE,
    "Sampling.sample_vp": dict(draws=count(), hide_transformed=FLAG, random_seed=SEED),
    "Sampling.generator": dict(random_seed=SEED),
    "sample_approx": dict(approx=APPROX, draws=count(), include_transformed=FLAG, random_seed=SEED),
    "diagnose": dict(
        approx=APPROX, draws=Optional(count(100)), random_seed=SEED, correct=CORRECT, client=Optional(CLIENT)
    ),
    "HMC": dict(tolerance=POSITIVE, budget=Optional(POSITIVE), progressbar=Optional(FLAG), modes=FLAG),
    "expectation": dict(approx=APPROX, node=NODE, draws=count(2), correct=CORRECT, random_seed=SEED),
    "lrvb_cov": dict(
        approx=APPROX,
        of=Optional(nodes()),
        n_draws=Optional(count(1, 10**7)),
        solver=OneOf("auto", "dense", "cg"),
        random_seed=SEED,
    ),
    "frequentist_se": dict(approx=APPROX),
    "summary": dict(
        approx=APPROX,
        draws=count(100),
        var_names=NAMES,
        hdi_prob=_PROBABILITY,
        correct=CORRECT,
        round_to=Optional(count(0, 100)),
        random_seed=SEED,
    ),
    "to_inference_data": dict(
        approx=APPROX,
        draws=count(),
        log_likelihood=Optional(AnyOf(FLAG, OneOf("subsample"), allowed="True, False or 'subsample'")),
        rows=Optional(ListOf(count(0, 10**12), "a list or an array of row numbers")),
        coords=_COORDS,
        dims=_COORDS,
        posterior_predictive=AnyOf(
            FLAG, DictOf(Text("a name"), Array(ndim=1), "a dict of draws"), allowed="True, False or a dict of draws"
        ),
        correct=CORRECT,
        random_seed=SEED,
        progressbar=Optional(FLAG),
    ),
    "save_approximation": dict(approx=APPROX, path=Path()),
    "load": dict(
        path=Path(),
        model=MODEL,
        into=Optional(APPROX),
        same_data=FLAG,
        data=Optional(Anything("the new rows of a refinement, as `refine` takes them")),
    ),
    "loo": dict(
        data=AnyOf(
            APPROX,
            Instance("arviz.InferenceData", allowed="InferenceData"),
            allowed="an Approximation or InferenceData",
        ),
        draws=count(),
        var_name=Optional(Text("the name of an observed variable")),
        subsample=Optional(AnyOf(FLAG, count(10, 10**12), allowed="a number of rows, or False for all")),
        scale=Optional(OneOf("log", "negative_log", "deviance")),
        random_seed=SEED,
        progressbar=Optional(FLAG),
    ),
    "show_config": dict(print_it=FLAG),
    "plot_elbo": dict(
        fit=AnyOf(
            APPROX, Instance("pymc3_vi.Inference", allowed="an Inference"), Array("an array of losses (negative ELBO)")
        ),
        window=Optional(count()),
        ax=Optional(_ONE_AXES),
    ),
    "plot_tracks": dict(
        tracker=AnyOf(
            Instance("pymc3_vi.Tracker", allowed="a Tracker"),
            DictOf(Text("a name"), Anything("the values of every step")),
        ),
        names=NAMES,
        every=count(),
        axes=_AXES,
    ),
    "plot_posterior": dict(
        fit=FITTED,
        other=Optional(ListOf(FITTED, "another fit or a list of them", single=True)),
        var_names=NAMES,
        labels=NAMES,
        draws=count(2),
        hdi_prob=_PROBABILITY,
        correct=CORRECT,
        axes=_AXES,
        random_seed=SEED,
    ),
    "plot_ranks": dict(
        calibration=Instance("pymc3_vi.Calibration", allowed="a Calibration"), corrected=Optional(FLAG), axes=_AXES
    ),
    "plot_khat": dict(
        fit=AnyOf(APPROX, Instance("pymc3_vi.Diagnosis", allowed="a Diagnosis")),
        draws=count(100),
        axes=_AXES,
        random_seed=SEED,
    ),
}
