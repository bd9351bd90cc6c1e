"""What the functions and classes that fit take."""

from ..errors import StartError
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
    NAMES,
    OPERATOR_CLASS,
    POSITIVE,
    SEED,
    START,
    STEP_OPTIONS,
    STEPS,
    count,
)
from ._constraints import (
    AnyOf,
    Anything,
    Array,
    DictOf,
    Function,
    Instance,
    Interval,
    OneOf,
    Optional,
    Path,
    Raising,
    Subclass,
    Text,
)

__all__ = ["FITTING"]

_INFERENCE = Instance("pymc3_vi.Inference", allowed="an Inference instance")
_FIXED_DRAWS = dict(
    n_draws=Optional(count(2, 10**7)),
    max_draws=count(16, 10**7),
    tol=Optional(POSITIVE),
    draws=OneOf("sobol", "antithetic", "independent"),
    optimizer=OneOf("trust-ncg", "trust-krylov", "l-bfgs-b"),
    optimizer_options=Optional(DictOf(Text("an option of the optimizer"), Anything("its value"))),
)
_ALGORITHM = AnyOf(
    Text("the name of an algorithm"),
    Instance("pymc3_vi.Algorithm", allowed="an Algorithm instance"),
)
_BETA = Interval(float, 0)
_ROWS = Anything("new rows: a DataLoader, a dict of arrays, an array or what a DataLoader is made of")
_CLIENT = Instance(
    "distributed.Client", "concurrent.Executor", allowed="a dask.distributed.Client or a concurrent.futures.Executor"
)
_WORKERS = dict(cores=count(1, 1000), client=Optional(_CLIENT))
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
        algorithm=_ALGORITHM,
        client=Optional(_CLIENT),
    ),
    "Inference.refine": dict(n=STEPS, progressbar=FLAG, data=Optional(_ROWS)),
    "refine": dict(approx=APPROX, n=STEPS, data=Optional(_ROWS), progressbar=FLAG),
    "Inference.run_profiling": dict(
        n=count(),
        score=Optional(FLAG),
        algorithm=_ALGORITHM,
        average=Optional(Interval(float, 0, 1, low_open=True)),
        fn_kwargs=FN_KWARGS,
        **STEP_OPTIONS,
    ),
    "Inference.resume": dict(callbacks=CALLBACKS, progressbar=FLAG),
    "Inference.save": dict(path=Path()),
    "Inference.load": dict(path=Path(), model=MODEL, same_data=FLAG, data=Optional(_ROWS)),
    "Inference.restore": dict(path=Path(), same_data=FLAG, data=Optional(_ROWS)),
    "KLqp": dict(approx=APPROX, beta=_BETA),
    "GaussianADVI": _ADVI,
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
        resume=FLAG,
        **_FIXED_DRAWS,
    ),
    "DADVI.run_profiling": dict(n=count(), score=Optional(FLAG), **_FIXED_DRAWS),
    "FixedDraws": _FIXED_DRAWS,
    "DataLoader": dict(
        source=Anything("an array, a memmap, a dict or tuple of arrays, or a DataFrame"),
        batch_size=count(1, 10**9),
        shuffle=FLAG,
        seed=SEED,
    ),
    "fit_many": dict(
        model=AnyOf(
            Instance("pymc3.Model", allowed="a pymc3.Model"), Function("(**data)"), allowed="a model or a function"
        ),
        data=Anything("a dict of stacked arrays or lists, a dict of data sets, a data frame or an iterable of dicts"),
        method=OneOf("advi", "dadvi", "fullrank_advi"),
        by=Optional(Text("the name of a column")),
        var_names=NAMES,
        draws=count(0, 10**5),
        start=Raising(Optional(DictOf(Text("a variable's name"), Array())), StartError),
        random_seed=SEED,
        path=Optional(Path()),
        progressbar=FLAG,
        **_WORKERS,
    ),
    "sbc": dict(
        model=Instance("pymc3.Model", allowed="a pymc3.Model"),
        n=count(20, 10**7),
        method=OneOf("advi", "dadvi", "fullrank_advi"),
        var_names=NAMES,
        draws=count(9, 10**5),
        random_seed=SEED,
        path=Optional(Path()),
        progressbar=FLAG,
        **_WORKERS,
    ),
    "bootstrap": dict(
        model=Instance("pymc3.Model", allowed="a pymc3.Model"),
        n=count(1, 10**7),
        method=OneOf("advi", "dadvi", "fullrank_advi"),
        var_names=NAMES,
        draws=count(0, 10**5),
        random_seed=SEED,
        path=Optional(Path()),
        progressbar=FLAG,
        **_WORKERS,
    ),
    "kfold": dict(
        model=Instance("pymc3.Model", allowed="a pymc3.Model"),
        k=count(2, 10**5),
        method=OneOf("advi", "dadvi", "fullrank_advi"),
        random_seed=SEED,
        path=Optional(Path()),
        progressbar=FLAG,
        **_WORKERS,
    ),
    "Calibration.ranks": dict(corrected=FLAG),
    "Calibration.levels": dict(corrected=FLAG),
    "Calibration.miscalibrated": dict(corrected=FLAG),
    "FitCollection.to_inference_data": dict(corrected=FLAG),
    "FitCollection.draws": dict(corrected=FLAG),
    "FitCollection.save": dict(path=Path()),
    "FitCollection.load": dict(path=Path()),
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
