"""``fit``: the front door."""

import inspect

from ..core import named_start
from ..errors import NonFiniteError, OverflowStartWarning, ParameterTypeError, StartError, UnknownNameError
from ..graph import SeedStream
from ..model import ModelView, model_context, reads_rows
from ..parameters import checked
from ..registry import Registry
from ..validation import accepted_keywords, did_you_mean, reject_unknown_keywords, warn_user
from ._auto import choose_method, judge
from ._base import Inference
from ._dadvi import DADVI
from ._implicit import ASVGD, SVGD
from ._klqp import ADVI, NFVI, FullRankADVI
from ._several_starts import better_than_prior, try_starts
from ._start import working_start

__all__ = ["fit", "METHODS"]

#: Inference classes by the name that ``fit(method=...)`` takes.
METHODS = Registry("inference method")
for _name, _cls in [
    ("advi", ADVI),
    ("fullrank_advi", FullRankADVI),
    ("svgd", SVGD),
    ("asvgd", ASVGD),
    ("nfvi", NFVI),
    ("dadvi", DADVI),
]:
    METHODS.register(_name, _cls)


#: PyMC3's order of the parameters of ``fit``.
_PYMC3_ORDER = ("n", "local_rv", "method", "model", "random_seed", "start", "inf_kwargs")


def _in_pymc3_order(args, kwargs):
    """Arguments by keyword where they come in PyMC3's order, which has `local_rv` (a dict or None) second."""
    if len(args) < 2 or not (args[1] is None or isinstance(args[1], dict)) or len(args) > len(_PYMC3_ORDER):
        return args, kwargs
    if len(args) > 2 and hasattr(args[2], "free_RVs"):  # a model in the third place is ours
        args, named = (args[0], "advi", *args[2:]), {"local_rv": args[1]}
    else:
        args, named = (), dict(zip(_PYMC3_ORDER, args))
    twice = [name for name in named if name in kwargs]
    if twice:
        raise ParameterTypeError(f"fit got {twice[0]!r} twice, by position and by keyword.")
    return args, {**named, **kwargs}


@checked(arrange=_in_pymc3_order)
def fit(
    n=10000, method="advi", model=None, random_seed=None, start=None, inf_kwargs=None, local_rv=None, starts=1, **kwargs
):
    """Fit an approximation to the posterior of a model.

    Parameters
    ----------
    n : int
        Number of optimization steps.
    method : str, Inference class or Inference instance
        ``'advi'``, ``'fullrank_advi'``, ``'svgd'``, ``'asvgd'``, ``'dadvi'``, ``'nfvi'`` or ``'nfvi=<formula>'``, in
        any case.  ``'auto'``: full rank where the covariance costs little beside the data, else mean field; then
        ``diagnose(correct='auto')``, and draws and tables follow its verdict: they are those of q, weighted, or those
        of chains (``approx.recommended``).  The report says what was decided, and why.
    model : pymc3.Model, optional
        Default is the model of the ``with`` context.
    random_seed : int, optional
        Seed of everything random: same seed, same result, to the last bit with the same versions on the same machine.
    start : dict or str, optional
        Start values by variable name; or ``'map'``, the largest log density on the unconstrained scale, ``'laplace'``,
        the same with the scale of the Laplace approximation, or ``'prior'``, a draw from the prior; where quick fits
        from two more draws and from the model's own start end at a better optimum, the best of these.
    inf_kwargs : dict, optional
        Keywords of the inference class, e.g. ``{'n_particles': 200}`` for SVGD.
    local_rv : dict, optional
        Amortised variables: {variable: dict of parameters}.  PyMC3 has this parameter second, before `method`;
        a dict in that place is taken for it.
    starts : int
        With more than one, fit mean field by few draws from that many points (`start` and draws from the prior), begin
        where that led to the largest ELBO, and list all in ``approx.starts``.  With a ``client`` its workers do it.
    **kwargs
        Keywords of :meth:`Inference.fit`, e.g. ``callbacks``, ``obj_optimizer``, ``obj_n_mc``.

    Returns
    -------
    Approximation
        The fitted approximation; ``approx.hist`` is the loss (negative ELBO) of every step.

    Raises
    ------
    UnknownNameError
        For an unknown method, with the known ones and the closest match.
    TypeError
        For an unknown keyword, with the close match.

    Warns
    -----
    RejectedFitWarning
        With ``method='auto'``, when the fit is not to be used.

    Examples
    --------
    >>> with model:  # doctest: +SKIP
    ...     approx = pymc3_vi.fit(method="advi", random_seed=1)
    ...     trace = approx.sample(1000)
    """
    if method is None:
        method = "advi"
    if isinstance(method, str) and method.lower() == "auto":
        model = model_context(model)
        method, reason = choose_method(ModelView(model), local_rv)
        approx = fit(n, method, model, random_seed, start, inf_kwargs, local_rv=local_rv, starts=starts, **kwargs)
        judge(approx, method, reason, kwargs.get("progressbar", True))
        return approx
    options = dict(inf_kwargs or {})
    for name, value in (("random_seed", random_seed), ("start", start), ("local_rv", local_rv)):
        if value is not None:
            options[name] = value
    inference = method if isinstance(method, Inference) else None
    if inference is None:
        options["model"] = model_context(model if model is not None else options.pop("model", None))
        inference = _begin(method, options, starts, n, kwargs.get("client"))
        if starts > 1 and not reads_rows([term.node for term in inference.approx.view.logp_terms()]):
            kwargs.pop("client", None)  # its workers have climbed, and there is nothing else for them
    elif starts != 1:
        raise ParameterTypeError("fit got method as an instance together with starts. Pass the class instead.")
    else:
        _configure(inference, options, model)
    allowed = accepted_keywords(type(inference).fit, Inference.fit)
    reject_unknown_keywords(kwargs, [a for a in allowed if a != "n"], "fit")
    try:
        return inference.fit(n, **kwargs)
    except (StartError, NonFiniteError) as error:
        if isinstance(method, Inference) or options.get("start") is not None or inference.has_begun:
            raise
        options["start"] = working_start(inference.approx.view, options.get("random_seed"))
        if options["start"] is None:
            raise
        warn_user(
            f"Another start is used, a draw from the prior or around the model's own: {error}", OverflowStartWarning
        )
    return _create(method, options).fit(n, **kwargs)


def _begin(method, options, starts, n, client):
    """Inference object for a method, with its start found."""
    start = options.get("start")
    if starts == 1 and start != "prior":
        return _create(method, options)
    view, seeds = ModelView(options["model"]), SeedStream(options.get("random_seed"))
    if starts == 1:
        better = better_than_prior(view, seeds, n)
        return _create(method, options if better is None else dict(options, start=better))
    if isinstance(start, str):
        start = named_start(start, view, seeds).point
    tried = try_starts(view, starts, seeds, start, client)
    inference = _create(method, dict(options, start=tried[0].point))
    inference.approx.starts = tried
    return inference


def _create(method, options):
    """Inference object for a method name or class."""
    if isinstance(method, str):
        name = method.lower()
        if name.startswith("nfvi="):
            options.setdefault("flow", name[len("nfvi=") :])
            name = "nfvi"
        try:
            cls = METHODS.get(name)
        except UnknownNameError:
            known = ["auto", *METHODS.names(), "nfvi=<formula>"]
            raise UnknownNameError(
                f"The 'method' parameter of fit must be one of {known}, an Inference class or an Inference instance. "
                f"Got {method!r} instead.{did_you_mean(name, METHODS.names())}"
            ) from None
    elif inspect.isclass(method) and issubclass(method, Inference):
        cls = method
    else:
        raise ParameterTypeError(
            f"The 'method' parameter of fit must be one of {METHODS.names()}, an Inference class or an Inference "
            f"instance. Got {method!r} instead."
        )
    try:
        return cls(**options)
    except ParameterTypeError as error:
        if "unknown keyword" not in str(error):
            raise
        raise ParameterTypeError(
            f"The 'inf_kwargs' parameter of fit must be keywords of {cls.__name__}: {error}"
        ) from None


def _configure(inference, options, model):
    """Options given beside an instance: a seed is used, anything else would be lost and is refused."""
    made_for = inference.approx.view.model
    if model is not None and model is not made_for:
        raise ParameterTypeError(
            f"fit got method={type(inference).__name__} as an instance, which was made for the model of "
            f"{', '.join(inference.approx.view.names)}, together with model={_brief(model)}. Pass the class, or leave "
            "out 'model'."
        )
    seed = options.pop("random_seed", None)
    if seed is not None:
        inference.approx.reseed(seed)
    if options:
        raise ParameterTypeError(
            f"fit got method={type(inference).__name__} as an instance together with {sorted(options)}. "
            "Pass these when making the instance, or pass the class."
        )


def _brief(model):
    """A model by its variables."""
    names = [v.name for v in getattr(model, "free_RVs", [])]
    return f"a model of {', '.join(names)}" if names else repr(model)
