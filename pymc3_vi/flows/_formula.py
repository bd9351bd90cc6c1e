"""Formulas: which flows a chain is made of, as a string."""

from ..errors import ParametrizationError, UnknownNameError
from ..parameters import checked
from ._base import as_generator
from ._registry import flow_for_short_name

__all__ = ["Formula", "seems_like_formula"]

#: Most steps of a chain; graphs of longer ones take many minutes to be built.
MOST_STEPS = 1000


class Formula:
    """Flows in a row, written as a string; calling it builds the chain.

    Parameters
    ----------
    formula : str or Formula
        Names of flows joined by ``'-'``, first step first; ``'name*3'`` stands for three of a kind.  Case and blanks do
        not matter.

    Attributes
    ----------
    formula : str
    flows : list of classes

    Raises
    ------
    UnknownNameError
        If a name is no flow's; the message has the closest match.
    ParametrizationError
        If the string is not of this form.

    Examples
    --------
    >>> from pymc3_vi.flows import Formula
    >>> [flow.short_name for flow in Formula("scale - hh*2 - loc").flows]
    ['scale', 'hh', 'hh', 'loc']
    >>> Formula("planar*2")(dim=3, random_seed=1).formula
    'planar-planar'
    """

    @checked
    def __init__(self, formula):
        if isinstance(formula, Formula):
            formula = formula.formula
        steps = "".join(formula.lower().split()).split("-")
        self.formula = "-".join(steps)
        self.flows = []
        for step in steps:
            name, count = self._parse(step)
            if len(self.flows) + count > MOST_STEPS:
                raise ParametrizationError(
                    f"The 'formula' parameter of Formula must have at most {MOST_STEPS:,} steps. Got {self.formula!r}."
                )
            try:
                self.flows.extend([flow_for_short_name(name)] * count)
            except UnknownNameError as error:
                raise UnknownNameError(f"In the 'formula' parameter of Formula: {error}") from None

    def _parse(self, step):
        """'name*3' -> ('name', 3)."""
        name, star, count = step.partition("*")
        if not name or (star and not (count.isdecimal() and int(count) > 0)):
            raise ParametrizationError(
                f"The 'formula' parameter of Formula must be names of flows joined by '-', each with an optional "
                f"'*<number>' such as 'scale-hh*4-loc'. Got {self.formula!r}, with the step {step!r}."
            )
        return name, int(count) if star else 1

    @checked
    def __call__(self, z0=None, dim=None, jitter=0.001, params=None, batch_size=None, local=False, random_seed=None):
        """Create and link the flows.

        Parameters
        ----------
        params : dict, optional
            ``{step: {name: value}}``, steps counted from 0; what is left out is created.
        z0, dim, jitter, batch_size, local, random_seed
            See :class:`AbstractFlow`; one generator serves all steps.

        Returns
        -------
        AbstractFlow
            The last step, whose ``chain`` is the whole.
        """
        params = {} if params is None else params
        unknown = sorted((k for k in params if k not in range(len(self.flows))), key=str)
        if unknown:
            raise ParametrizationError(
                f"The 'params' parameter of Formula must have keys from 0 to {len(self.flows) - 1}, one for each step "
                f"of {self.formula!r}. Got the key {unknown[0]!r}."
            )
        rng = as_generator(random_seed)
        flow = z0
        for i, flow_class in enumerate(self.flows):
            flow = flow_class(
                z0=flow,
                dim=dim,
                jitter=jitter,
                params=params.get(i),
                batch_size=batch_size,
                local=local,
                random_seed=rng,
            )
        return flow

    def get_param_spec_for(self, d):
        """Shapes of all parameters for dimension `d`: ``{step: {name: tuple}}``, first step first."""
        return {i: flow.get_param_spec_for(d=d) for i, flow in enumerate(self.flows)}

    def __eq__(self, other):
        return isinstance(other, Formula) and self.flows == other.flows

    def __hash__(self):
        return hash(tuple(self.flows))

    def __reduce__(self):
        return type(self), (self.formula,)

    def __repr__(self):
        return f"Formula({self.formula!r})"

    def _repr_latex_(self):
        return rf"$\mathcal{{N}}(0, 1) \to \text{{{self.formula}}}$"


def seems_like_formula(formula):
    """Whether `formula` is a valid formula string (or a :class:`Formula`)."""
    try:
        Formula(formula)
    except (TypeError, ValueError, KeyError):
        return False
    return True
