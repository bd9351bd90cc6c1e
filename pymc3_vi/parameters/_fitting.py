"""What the functions and classes that fit take."""

from ._common import (
    APPROX,
    CALLBACKS,
    FLAG,
    FLOW,
    FN_KWARGS,
    GRAD_SCALE,
    KERNEL,
    LOCAL_RV,
    MODEL,
    OPERATOR_CLASS,
    POSITIVE,
    SEED,
    START,
    STEP_OPTIONS,
    STEPS,
    count,
)
from ._constraints import AnyOf, Anything, DictOf, Instance, Interval, OneOf, Optional, Path, Subclass, Text

__all__ = ["FITTING"]

_INFERENCE = Instance("pymc3_vi.Inference", allowed="an Inference instance")
_BETA = Interval(float, 0)
_ADVI = dict(
    local_rv=LOCAL_RV,
    model=MODEL,
    cost_part_grad_scale=GRAD_SCALE,
    scale_cost_to_minibatch=FLAG,
    random_seed=SEED,
    start=START,
    beta=_BETA,
)
_STEPS_AND_OPTIONS = dict(n=STEPS, score=Optional(FLAG), callbacks=CALLBACKS, progressbar=FLAG, **STEP_OPTIONS)

FITTING = {
    "fit": dict(
        n=STEPS,
        method=AnyOf(
            Text("the name of a method"), Subclass("pymc3_vi.Inference", allowed="an Inference class"), _INFERENCE
        ),
        model=MODEL,
        random_seed=SEED,
        start=START,
        inf_kwargs=Optional(DictOf(Text("a keyword of the inference class"), Anything("its value"))),
        local_rv=LOCAL_RV,
        starts=count(1, 10**4),
    ),
    "Inference": dict(op=OPERATOR_CLASS, approx=APPROX, tf=Optional(KERNEL)),
    "Inference.fit": dict(
        _STEPS_AND_OPTIONS,
        fn_kwargs=FN_KWARGS,
        resume=FLAG,
        tol=Optional(POSITIVE),
        average=Optional(Interval(float, 0, 1, low_open=True)),
        algorithm=OneOf("auto", "passes", "stochastic"),
    ),
    "Inference.refine": dict(n=STEPS, progressbar=FLAG),
    "Inference.run_profiling": dict(n=count(), score=Optional(FLAG), fn_kwargs=FN_KWARGS, **STEP_OPTIONS),
    "SavedInference.resume": dict(callbacks=CALLBACKS, progressbar=FLAG),
    "SavedInference.save": dict(path=Path()),
    "SavedInference.load": dict(path=Path(), model=MODEL, same_data=FLAG),
    "SavedInference.restore": dict(path=Path(), same_data=FLAG),
    "KLqp": dict(approx=APPROX, beta=_BETA),
    "ADVI": _ADVI,
    "FullRankADVI": _ADVI,
    "NFVI": dict(flow=FLOW, model=MODEL, random_seed=SEED, beta=_BETA, start=START),
    "ImplicitGradient": dict(approx=APPROX, estimator=OPERATOR_CLASS, kernel=KERNEL),
    "SVGD": dict(
        n_particles=count(1, 10**6),
        jitter=Interval(float, 0),
        model=MODEL,
        start=START,
        random_seed=SEED,
        estimator=OPERATOR_CLASS,
        kernel=KERNEL,
    ),
    "ASVGD": dict(
        approx=Optional(APPROX),
        estimator=OPERATOR_CLASS,
        kernel=KERNEL,
        model=MODEL,
        random_seed=SEED,
        start=START,
    ),
    "ASVGD.fit": dict(_STEPS_AND_OPTIONS, fn_kwargs=FN_KWARGS),
    "ASVGD.run_profiling": dict(n=count(), score=Optional(FLAG), fn_kwargs=FN_KWARGS, **STEP_OPTIONS),
    "DADVI": dict(approx=Optional(APPROX), model=MODEL, random_seed=SEED, start=START, local_rv=LOCAL_RV),
    "DADVI.fit": dict(
        n=STEPS,
        score=Optional(FLAG),
        callbacks=CALLBACKS,
        progressbar=FLAG,
        n_draws=Optional(count(2, 10**7)),
        max_draws=count(16, 10**7),
        tol=Optional(POSITIVE),
        draws=OneOf("sobol", "antithetic", "independent"),
        optimizer=OneOf("trust-ncg", "trust-krylov", "l-bfgs-b"),
        optimizer_options=Optional(DictOf(Text("an option of the optimizer"), Anything("its value"))),
    ),
    "DADVI.refine": dict(n=STEPS, progressbar=FLAG),
    "DADVI.resume": dict(callbacks=CALLBACKS, progressbar=FLAG),
    "DADVI.save": dict(path=Anything("not used: the method only says what to do instead")),
    "DADVI.run_profiling": dict(n=count(), score=Optional(FLAG)),
    "DataLoader": dict(
        source=Anything("an array, a memmap, a dict or tuple of arrays, or a DataFrame"),
        batch_size=count(1, 10**9),
        shuffle=FLAG,
        seed=SEED,
    ),
    "CheckParametersConvergence": dict(
        every=count(),
        tolerance=Interval(float, 0),
        diff=OneOf("relative", "absolute"),
        ord=Optional(Interval(float, infinite=True)),
    ),
    "Converged": dict(tol=POSITIVE, every=count()),
    "Checkpoint": dict(every=count(), path=Path()),
    "Tracker": {},
}
