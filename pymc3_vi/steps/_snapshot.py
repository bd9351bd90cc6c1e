"""Everything that the coming steps depend on, taken out of a step and put into another one of the same graph."""

from collections import namedtuple

import numpy as np

__all__ = ["Snapshot", "take_snapshot", "put_snapshot"]


class Snapshot(namedtuple("Snapshot", "names, values, noise, generators, steps_done")):
    """State of a :class:`Step`.

    Attributes
    ----------
    names : list of str
        Names of the shared variables that the step changes ('' where they have none).
    values : list
        Their values: arrays, and the states of NumPy generators (dicts).
    noise : list of ndarray
        Rows of base noise that are drawn but not used yet, one array per block.
    generators : list of dict
        States of the generators that will draw the next rows.
    steps_done : int
    """

    __slots__ = ()


def take_snapshot(step):
    """:class:`Snapshot` of a step between two runs."""
    blocks = step.graph.noise.blocks
    return Snapshot(
        names=[v.name or "" for v in step.state_variables],
        values=[_plain(v.get_value(borrow=False), v) for v in step.state_variables],
        noise=[np.array(b.shared.get_value(borrow=True)[step.position :]) for b in blocks],
        generators=[b.generator.bit_generator.state for b in blocks],
        steps_done=step.steps_done,
    )


def put_snapshot(step, snapshot):
    """Make `step` go on where the one went that the snapshot was taken of.

    Raises
    ------
    ValueError
        If the steps do not have the same state, with the first difference in words.
    """
    variables, blocks = step.state_variables, step.graph.noise.blocks
    if len(variables) != len(snapshot.values):
        raise ValueError(f"the step has {len(variables)} state variables, the saved one had {len(snapshot.values)}")
    for variable, name, value in zip(variables, snapshot.names, snapshot.values):
        _check_fits(variable, name, value)
    shapes = [b.shape for b in blocks], [n.shape[1:] for n in snapshot.noise]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the step uses base noise of shapes {shapes[0]}, the saved one of shapes {shapes[1]}")
    left = {len(n) for n in snapshot.noise} or {0}
    if len(left) > 1 or max(left) > step.graph.noise.rows:
        raise ValueError(f"the saved noise has {sorted(left)} rows, the step has room for {step.graph.noise.rows}")
    for variable, value in zip(variables, snapshot.values):
        if isinstance(value, dict):
            target = variable.get_value(borrow=True)
            _put_generator(target, value)
            value = target
        variable.set_value(value, borrow=True)
    # Unused rows go to the end of the blocks, wherever they were before.
    position = step.graph.noise.rows - max(left)
    for block, rows, state in zip(blocks, snapshot.noise, snapshot.generators):
        array = block.shared.get_value(borrow=True)
        array[position:] = rows
        block.shared.set_value(array, borrow=True)
        block.generator.bit_generator.state = state
    step.go_to(position, snapshot.steps_done)


def _plain(value, variable):
    """The value as an array, or the state of a random generator."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"the state variable {variable} holds {type(value).__name__}, which cannot be stored")
    return array


def _put_generator(generator, state):
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _check_fits(variable, name, value):
    if (variable.name or "") != name:
        raise ValueError(f"the step has a state variable {variable.name!r} where the saved one had {name!r}")
    current = variable.get_value(borrow=True)
    is_random = isinstance(current, (np.random.Generator, np.random.RandomState))
    if is_random != isinstance(value, dict):
        raise ValueError(f"the state variable {name!r} is of another kind")
    if not is_random:
        current = np.asarray(current)
        # The number of rows of particles and data may differ, what Theano compiled for may not.
        if current.dtype != value.dtype or current.ndim != value.ndim:
            raise ValueError(
                f"the state variable {name!r} is {current.dtype} with {current.ndim} axes, the saved one {value.dtype} "
                f"with {value.ndim}"
            )
        if current.shape[1:] != value.shape[1:]:
            raise ValueError(f"the state variable {name!r} has shape {current.shape}, the saved one {value.shape}")
