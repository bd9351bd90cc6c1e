"""An approximation as JSON and arrays, and back."""

import numpy as np
import theano

from ..core import CORRECTIONS, FAMILIES, Approximation
from ..errors import FileFormatError
from ._options import describe, is_opaque, rebuild
from ._tree import pack, unpack

__all__ = ["approximation_state", "checked_history", "make_approximation", "put_approximation_state"]


# ---------------------------------------------------------------------------------------------------- taking apart
def approximation_state(approx):
    """JSON-able description and dict of arrays that make `approx` again.

    Returns
    -------
    description : dict
    arrays : dict of str to ndarray
    """
    arrays = {"hist": np.asarray(approx.hist, dtype="float64")}
    groups = [_group_state(group, f"group{i}", arrays) for i, group in enumerate(approx.groups)]
    generator = approx._sample_generator
    description = {
        "class": type(approx).__name__,
        "groups": groups,
        "cost_part_grad_scale": describe(approx.cost_part_grad_scale),
        "scale_cost_to_minibatch": approx.scale_cost_to_minibatch,
        "recommended": approx.recommended,
        "generator": None if generator is None else pack(generator.bit_generator.state, arrays, "generator"),
    }
    return description, arrays


def _group_state(group, prefix, arrays):
    for position, param in enumerate(group.params):
        arrays[f"{prefix}/param{position}"] = np.asarray(param.get_value(borrow=True))
    for position, constant in enumerate(group.constants):
        arrays[f"{prefix}/constant{position}"] = np.asarray(constant.get_value(borrow=True))
    return {
        "family": group.short_name,
        "class": type(group).__name__,
        "variables": [v.name for v in group.group],
        "local": group.local,
        "rowwise": group.batched and not group.local,
        "keywords": group.creation_keywords,
        "params": [p.name for p in group.params],
        "constants": [c.name for c in group.constants],
        "user_params": _user_params(group.user_params, f"{prefix}/user", arrays),
        "seed": _entropy(group.seeds.entropy),
    }


def _user_params(params, prefix, arrays):
    """What the user passed as `params`: nested dicts with 'shared', 'array' or 'expression' at their ends."""
    if params is None:
        return None
    described = {}
    for key, value in params.items():
        name = f"{prefix}/{key}"
        if isinstance(value, dict):
            described[str(key)] = _user_params(value, name, arrays)
        elif isinstance(value, theano.compile.SharedVariable):
            described[str(key)] = "shared"
            arrays[name] = np.asarray(value.get_value(borrow=True))
        elif isinstance(value, theano.graph.basic.Variable):
            described[str(key)] = "expression"
        else:
            described[str(key)] = "array"
            arrays[name] = np.asarray(value)
    return described


def _entropy(entropy):
    return [int(n) for n in entropy] if isinstance(entropy, (list, tuple, np.ndarray)) else int(entropy)


# ---------------------------------------------------------------------------------------------------- putting together
def make_approximation(description, arrays, model):
    """Approximation from what :func:`approximation_state` gave.

    Raises
    ------
    FileFormatError
        If a class is not known, or a parameter was an expression, which no file can hold.
    """
    cls = _approximation_class(description["class"])
    groups = [_make_group(entry, arrays, f"group{i}", model) for i, entry in enumerate(description["groups"])]
    scale = description["cost_part_grad_scale"]
    approx = cls.__new__(cls)
    # The groups exist already, so the shortcuts' own constructors, which make them, are passed by.
    Approximation.__init__(approx, groups, model, 1 if is_opaque(scale) else rebuild(scale))
    put_approximation_state(approx, description, arrays)
    return approx


def put_approximation_state(approx, description, arrays):
    """Give an approximation of the same make the parameters, history and random state of a saved one."""
    made = [(type(g).__name__, [v.name for v in g.group]) for g in approx.groups]
    saved = [(entry["class"], list(entry["variables"])) for entry in description["groups"]]
    if made != saved:
        raise FileFormatError(
            f"The file holds an approximation of the groups {_listed(saved)}, but it is to be put into one of the "
            f"groups {_listed(made)}.",
            "model",
        )
    pairs = []
    for i, (group, entry) in enumerate(zip(approx.groups, description["groups"])):
        pairs.extend(_matched_params(group, entry, arrays, f"group{i}"))
    for param, value in pairs:
        param.set_value(value)
    for group, entry in zip(approx.groups, description["groups"]):
        group.reseed(entry["seed"])
    approx.scale_cost_to_minibatch = description["scale_cost_to_minibatch"]
    approx.recommend(_known_correction(description.get("recommended")))
    approx.hist = checked_history(arrays["hist"])
    approx._sample_generator = None
    if description["generator"] is not None:
        generator = approx.generator()
        generator.bit_generator.state = unpack(description["generator"], arrays)


def _known_correction(name):
    if name is not None and name not in CORRECTIONS:
        raise FileFormatError(f"The file recommends the correction {name!r}, which is not known here.", "options")
    return name


def checked_history(hist):
    """Losses from a file, one a step."""
    if hist.ndim != 1 or hist.dtype.kind != "f":
        raise FileFormatError(
            f"The history of losses must be a vector of floats. The file has {hist.dtype} of shape {hist.shape}.",
            "foreign",
        )
    return hist


def _matched_params(group, entry, arrays, prefix):
    """Pairs of a group's trainable parameter, or constant, and its saved value."""
    if len(group.params) != len(entry["params"]):
        raise FileFormatError(
            f"The {entry['class']} of {', '.join(entry['variables'])} has {len(group.params)} trainable parameters, in "
            f"the file it has {len(entry['params'])}: {', '.join(map(str, entry['params']))}.",
            "model",
        )
    pairs = []
    known = [(param, f"{prefix}/param{i}") for i, param in enumerate(group.params)]
    if entry.get("constants"):  # none before 0.2
        known += [(constant, f"{prefix}/constant{i}") for i, constant in enumerate(group.constants)]
    for param, key in known:
        value, current = arrays[key], param.get_value(borrow=True)
        # Particles may be of any number; every other shape follows from the family and the model.
        same = value.shape == current.shape or (group.is_histogram and value.shape[1:] == current.shape[1:])
        if not same:
            raise FileFormatError(
                f"The parameter {param.name!r} of the {entry['class']} of {', '.join(entry['variables'])} has shape "
                f"{current.shape}, in the file it has {value.shape}.",
                "model",
            )
        value = np.asarray(value, dtype=current.dtype)
        if not np.isfinite(value).all():
            raise FileFormatError(
                f"The parameter {param.name!r} of the {entry['class']} of {', '.join(entry['variables'])} is not "
                "finite in the file.",
                "damaged",
            )
        pairs.append((param, value))
    return pairs


def _listed(groups):
    return " and ".join(f"{name} ({', '.join(variables)})" for name, variables in groups)


def _make_group(entry, arrays, prefix, model):
    if entry["family"] not in FAMILIES:
        raise FileFormatError(
            f"The file holds a group of the family {entry['family']!r} ({entry['class']}), which is not registered "
            "here. Import the module that registers it first.",
            "kind",
        )
    family = FAMILIES.get(entry["family"])
    params = _restored_params(entry["user_params"], f"{prefix}/user", arrays, entry)
    options = {} if params is not None else dict(entry["keywords"])
    return family(
        list(entry["variables"]),
        params=params,
        random_seed=entry["seed"],
        model=model,
        local=entry["local"],
        rowwise=entry["rowwise"],
        **options,
    )


def _restored_params(described, prefix, arrays, entry):
    if described is None:
        return None
    params = {}
    for key, kind in described.items():
        name = f"{prefix}/{key}"
        if isinstance(kind, dict):
            params[int(key) if key.isdigit() else key] = _restored_params(kind, name, arrays, entry)
        elif kind == "shared":
            params[key] = theano.shared(arrays[name], key)
        elif kind == "array":
            params[key] = arrays[name]
        else:
            raise FileFormatError(
                f"The parameter {key!r} of the {entry['class']} of {', '.join(entry['variables'])} is an expression "
                "(an encoder), which a file cannot hold. Build the approximation as before and pass it: "
                "load(path, into=approx).",
                "kind",
            )
    return params


def _approximation_class(name):
    known, stack = {}, [Approximation]
    while stack:
        cls = stack.pop()
        known.setdefault(cls.__name__, cls)
        stack.extend(cls.__subclasses__())
    if name not in known:
        raise FileFormatError(
            f"The file holds a {name}, which is not known here. Import the module that defines it first.", "kind"
        )
    return known[name]
