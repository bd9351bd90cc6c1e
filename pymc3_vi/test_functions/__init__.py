"""Test functions: kernels for Stein operators, by name or as callables."""

from ._base import KERNELS, Kernel, TestFunction, as_kernel
from ._distances import median_bandwidth, squared_distances, weighted_differences
from ._imq import IMQ, imq
from ._rbf import RBF, rbf

__all__ = [
    "KERNELS",
    "Kernel",
    "TestFunction",
    "as_kernel",
    "RBF",
    "rbf",
    "IMQ",
    "imq",
    "squared_distances",
    "median_bandwidth",
    "weighted_differences",
]
