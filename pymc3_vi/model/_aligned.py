"""Whether the minibatches of one likelihood show the same rows."""

from collections import namedtuple

import numpy as np
import pymc3 as pm
from theano.graph.basic import Variable, ancestors

from ..data import RowsVariable
from ..errors import ParametrizationError

__all__ = ["batches_behind", "check_aligned", "random_states"]


class _Axis(namedtuple("_Axis", "total, size, origin, streams")):
    """How a minibatch picks along one axis: rows in all, rows in a batch, seed and shared states of the random streams.

    What the seed was is known by what it made of the generator, in bytes; None where that is not known.
    """

    __slots__ = ()

    @property
    def now(self):
        """The same for two that pick the same rows at the next step."""
        return self.total, self.size, _comparable(self.streams[0].get_value(borrow=True))

    def is_twin(self, other):
        """Whether both pick the same rows if both begin anew."""
        return self.origin is not None and self[:3] == other[:3]

    def follow(self, other):
        """Pick the rows of a twin from now on."""
        for mine, its in zip(self.streams, other.streams):
            mine.set_value(its.get_value())


def batches_behind(node):
    """Minibatches, and batches of loaders, that a graph reads, in order of discovery."""
    return [v for v in dict.fromkeys(ancestors([node])) if isinstance(v, (pm.Minibatch, RowsVariable))]


def random_states(batch):
    """Shared random states that choose the rows of a minibatch; a loader has one number of a batch for all columns."""
    nodes = [index for index in batch.random_slc if isinstance(index, Variable)] if _picks(batch) else []
    return list(dict.fromkeys(state for node in nodes for state in _states(node)))


def check_aligned(name, batches, observed=()):
    """Refuse minibatches of one likelihood whose rows do not belong together.

    Those of one seed, of which one was evaluated without the others (as PyMC3's predictive draws do), are put in step.

    Parameters
    ----------
    name : str
        Of the observed variable.
    batches : list of Minibatch and RowsVariable
        What its density reads.
    observed : list, optional
        Those that its values come from, which may be picked along several axes: each other one must be picked as one of
        these axes is.  By default the first batch.

    Raises
    ------
    ParametrizationError
    """
    loaders = {id(b.loader): b.loader for b in batches if isinstance(b, RowsVariable)}
    if len(loaders) > 1 or loaders and not all(isinstance(b, RowsVariable) for b in batches):
        raise ParametrizationError(
            f"The likelihood {name!r} reads batches of {len(loaders)} DataLoader"
            f"{'s, whose rows do' if len(loaders) > 1 else ' and a Minibatch, whose rows do'} not belong together. "
            "Put all columns into one pymc3_vi.DataLoader: DataLoader({'x': x, 'y': y}, batch_size)."
        )
    axes = {batch: _axes(batch) for batch in batches if _picks(batch)}
    first = [batch for batch in observed if axes.get(batch)] or [batch for batch in axes if axes[batch]][:1]
    known = [axis for batch in first for axis in axes[batch]]
    for batch in axes:
        if batch in first:
            continue
        wrong = [axis for axis in axes[batch] if axis.now not in [a.now for a in known]]
        twins = [next((a for a in known if axis.is_twin(a)), None) for axis in wrong]
        if None not in twins:
            for axis, twin in zip(wrong, twins):
                axis.follow(twin)
        else:
            words = [f"{axis.size} of {axis.total} rows" for axis in (wrong[0], known[0])]
            raise ParametrizationError(
                f"The likelihood of {name!r} joins minibatches that do not show the same rows: {words[0]} of "
                f"{batch.name!r} with {words[1]} of {first[0].name!r}, picked with different seeds, from data of "
                "different lengths. Make them with the same batch_size and random_seed from arrays of the same length, "
                "or use one pymc3_vi.DataLoader of several columns."
            )


def _picks(batch):
    return isinstance(batch, pm.Minibatch)


def _states(index):
    return [v for v in ancestors([index]) if getattr(v, "default_update", None) is not None]


def _axes(batch):
    """How a minibatch picks along each of its random axes."""
    found, generators = [], iter(pm.Minibatch.RNG.get(id(batch), ()))
    for total, index in zip(np.shape(batch.shared.get_value(borrow=True)), batch.random_slc):
        streams = _states(index) if isinstance(index, Variable) else []
        if streams:
            made = getattr(next(generators, None), "rstate", None)
            size = int(np.size(getattr(index.tag, "test_value", 0)))
            found.append(_Axis(total, size, None if made is None else np.asarray(made).tobytes(), streams))
    return found


def _comparable(state):
    if isinstance(state, np.random.RandomState):
        return repr(state.get_state(legacy=False))
    if isinstance(state, np.random.Generator):
        return repr(state.bit_generator.state)
    return np.asarray(state).tobytes()
