"""C expressions of scalar Ops that compilers can vectorise: no branches, no calls without a vector form.

Theano's own C code of some of these has branches (softplus) or is written as statements; here every Op is one
expression.  What is not in the table keeps Theano's code and stays outside of fused loops.
"""

import os
import platform

import numpy as np
from theano import scalar as ts
from theano.scalar import basic_scipy
from theano.tensor.nnet.sigm import ScalarSigmoid, ScalarSoftplus

__all__ = [
    "has_vector_form",
    "literal",
    "scalar_expression",
    "supported_dtypes",
    "vector_math_declarations",
    "vector_math_libraries",
]

supported_dtypes = ("float64", "float32", "bool", "int8", "int16", "int32", "int64", "uint8")

_FLOATS = ("float64", "float32")


def literal(value, dtype):
    """C literal of a number."""
    if dtype == "bool":
        return "1" if value else "0"
    if dtype not in _FLOATS:
        return f"((npy_{dtype}){int(value)}LL)" if abs(int(value)) < 2**62 else f"((npy_{dtype}){int(value)})"
    if np.isnan(value):
        return f"((npy_{dtype})NAN)"
    if np.isinf(value):
        return f"((npy_{dtype}){'-' if value < 0 else ''}INFINITY)"
    text = repr(float(value)) if dtype == "float64" else str(np.float32(value))
    if not any(c in text for c in ".en"):
        text += ".0"
    return f"({text}{'f' if dtype == 'float32' else ''})"


def _chain(symbol):
    return lambda *x: "(" + f" {symbol} ".join(x) + ")"


def _call(name):
    return lambda x: f"{name}({x})"


#: Op -> expression of its arguments, which have the output's type
_ARITHMETIC = {
    ts.Add: _chain("+"),
    ts.Mul: _chain("*"),
    ts.Sub: _chain("-"),
    ts.TrueDiv: _chain("/"),
    ts.Neg: lambda x: f"(-{x})",
    ts.Inv: lambda x: f"(1 / {x})",
    ts.Sqr: lambda x: f"({x} * {x})",
    ts.ScalarMaximum: lambda x, y: f"({y} > {x} ? {y} : ({x} >= {y} ? {x} : {x} + {y}))",
    ts.ScalarMinimum: lambda x, y: f"({y} < {x} ? {y} : ({x} <= {y} ? {x} : {x} + {y}))",
    ts.Clip: lambda x, low, high: f"({x} < {low} ? {low} : ({x} > {high} ? {high} : {x}))",
    ts.Second: lambda x, y: y,
    ts.Identity: lambda x: x,
}

#: Op -> function of C's mathematical library, for float arguments
_FUNCTIONS = {
    ts.Abs: "fabs",
    ts.Exp: "exp",
    ts.Log: "log",
    ts.Sqrt: "sqrt",
    ts.Sin: "sin",
    ts.Cos: "cos",
    ts.Exp2: "exp2",
    ts.Expm1: "expm1",
    ts.Log1p: "log1p",
    ts.Log2: "log2",
    ts.Log10: "log10",
    ts.Tanh: "tanh",
    ts.Sinh: "sinh",
    ts.Cosh: "cosh",
    ts.ArcTan: "atan",
    basic_scipy.Erf: "erf",
    basic_scipy.Erfc: "erfc",
}
_COMPARISONS = {ts.LT: "<", ts.GT: ">", ts.LE: "<=", ts.GE: ">=", ts.EQ: "==", ts.NEQ: "!="}

#: functions that glibc's libmvec has in vector form, by the version that brought them
_VECTOR_FUNCTIONS = {
    (2, 22): ["exp", "log", "sin", "cos", "pow"],
    (2, 35): ["exp2", "expm1", "log1p", "log2", "log10", "tanh", "sinh", "cosh", "atan", "erf", "erfc"],
}


def _libmvec_version():
    """Version of glibc where its vector library can be used, else (0, 0)."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        numbers = tuple(int(n) for n in version.split(".")[:2])
    except (AttributeError, ValueError, OSError):
        return (0, 0)
    return numbers if name == "glibc" and platform.machine() == "x86_64" else (0, 0)


def has_vector_form(op):
    """Whether a scalar Op calls a function that is much faster in a loop of vectors than one number at a time."""
    functions = {name for since, group in _VECTOR_FUNCTIONS.items() if _libmvec_version() >= since for name in group}
    return _FUNCTIONS.get(type(op)) in functions or type(op) in (ScalarSigmoid, ScalarSoftplus, ts.Pow)


def vector_math_declarations():
    """Declarations that tell GCC which functions exist for vectors; Clang reads them as plain declarations."""
    version = _libmvec_version()
    names = [name for since, group in _VECTOR_FUNCTIONS.items() if version >= since for name in group]
    if not names:
        return ""
    lines = ["#if defined(__GNUC__) && !defined(__clang__)", 'extern "C" {']
    for name in names:
        for dtype, suffix in (("double", ""), ("float", "f")):
            arguments = f"{dtype}, {dtype}" if name == "pow" else dtype
            lines.append(f'__attribute__((simd("notinbranch"))) {dtype} {name}{suffix}({arguments}) noexcept(true);')
    return "\n".join([*lines, "}", "#endif"])


def vector_math_libraries():
    """Libraries in which the functions of `vector_math_declarations` are."""
    return ["mvec", "m"] if _libmvec_version() >= (2, 22) else ["m"]


def _function(name, dtype):
    return name + "f" if dtype == "float32" else name


def _as(text, dtype, wanted):
    """`text` of type `dtype` converted to `wanted`."""
    if dtype == wanted:
        return text
    if dtype == "bool":
        return f"({text} ? (npy_{wanted})1 : (npy_{wanted})0)"
    return f"({text} != 0)" if wanted == "bool" else f"((npy_{wanted}){text})"


def _power(x, exponent):
    """x to a constant power by products, or None."""
    simple = {1.0: x, 2.0: f"({x} * {x})", 3.0: f"({x} * {x} * {x})", -1.0: f"(1 / {x})", -2.0: f"(1 / ({x} * {x}))"}
    return simple.get(float(exponent))


def scalar_expression(op, arguments, dtypes, out, constants):
    """C expression of a scalar Op.

    Parameters
    ----------
    op : ScalarOp
    arguments : list of str
        Names or literals.
    dtypes : list of str
        Their types.
    out : str
        Type of the result.
    constants : list of number or None
        Values of the arguments that are literals.

    Returns
    -------
    str or None
        None where the Op is not in the table for these types.
    """
    kind = type(op)
    if kind in _COMPARISONS:
        common = np.result_type(*dtypes).name
        x, y = (_as(a, d, common) for a, d in zip(arguments, dtypes))
        return f"({x} {_COMPARISONS[kind]} {y})"
    if kind in (ts.IsNan, ts.IsInf) and dtypes[0] in _FLOATS:
        x = arguments[0]
        return f"({x} != {x})" if kind is ts.IsNan else f"({_function('fabs', dtypes[0])}({x}) == INFINITY)"
    if kind is ts.Switch:
        condition = _as(arguments[0], dtypes[0], "bool")
        x, y = (_as(a, d, out) for a, d in zip(arguments[1:], dtypes[1:]))
        return f"({condition} ? {x} : {y})"
    if kind is ts.Cast:
        return _as(arguments[0], dtypes[0], out)
    if kind is ts.Mul and set(dtypes) == {"bool"} == {out}:
        return _chain("&")(*arguments)
    if kind in (ts.AND, ts.OR, ts.XOR) and set(dtypes) == {"bool"} == {out}:
        return _chain({ts.AND: "&", ts.OR: "|", ts.XOR: "^"}[kind])(*arguments)
    if kind is ts.Invert and dtypes == ["bool"] and out == "bool":
        return f"(!{arguments[0]})"
    if kind in (ts.Add, ts.Mul) and out == "int8" and set(dtypes) <= {"bool", "int8"}:
        # PyMC3's `bound` multiplies its conditions; wider integers have no vector product on most processors
        return f"((npy_int8){_ARITHMETIC[kind](*arguments)})"
    if out not in _FLOATS:
        return None
    converted = [_as(a, d, out) for a, d in zip(arguments, dtypes)]
    if kind in _ARITHMETIC:
        return _ARITHMETIC[kind](*converted)
    if kind in _FUNCTIONS:
        return _call(_function(_FUNCTIONS[kind], out))(converted[0])
    if kind is ts.Pow and constants[1] is not None:
        if float(constants[1]) == 0.5:
            return _call(_function("sqrt", out))(converted[0])
        simple = _power(converted[0], constants[1])
        if simple is not None:
            return simple
    if kind is ts.Pow:
        return f"{_function('pow', out)}({converted[0]}, {converted[1]})"
    if kind is ts.Sgn:
        x = converted[0]
        return f"({x} > 0 ? (npy_{out})1 : ({x} < 0 ? (npy_{out})-1 : {x}))"
    if kind in (ScalarSigmoid, ScalarSoftplus):
        return _logistic(kind, converted[0], out)
    return None


def _logistic(kind, x, dtype):
    # Both by way of exp(-|x|), which cannot overflow and which the compiler computes once where both occur.
    decay = f"{_function('exp', dtype)}(-{_function('fabs', dtype)}({x}))"
    if kind is ScalarSigmoid:
        return f"(({x} >= 0 ? (npy_{dtype})1 : {decay}) / (1 + {decay}))"
    return f"(({x} > 0 ? {x} : (npy_{dtype})0) + {_function('log1p', dtype)}({decay}))"
