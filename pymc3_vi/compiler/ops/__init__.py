"""Ops with C code that the graphs of the package are made of."""

from ._batch_matmul import BatchMatmul, batch_matmul
from ._diagonal import Diagonal, DiagonalMatrix
from ._elements import CumulativeSum, PutElements, TakeElements
from ._fused_loop import FusedLoop, Instruction, Literal, LoopOutput
from ._log_sum_exp import LogSumExp
from ._matvec import MatVec
from ._pairwise import MedianDistance, SquaredDistances
from ._product_loop import ForwardProduct, ProductLoop, TransposedProduct
from ._rows import PutRows, SumRows, TakeRows
from ._scan_code import At, Place, Product, Size, State, Statement, View
from ._scan_loop import ScanLoop
from ._triangular import CholeskyFactor, CholeskyGrad, Triangle, TriangularSolve
from ._tril import TrilMatVec, TrilOuter, tril_matvec, tril_outer
from ._uniform import UniformStreams
from ._unpack import Pack, Unpack, pack, unpack

__all__ = [
    "BatchMatmul",
    "batch_matmul",
    "CholeskyFactor",
    "CholeskyGrad",
    "CumulativeSum",
    "Diagonal",
    "DiagonalMatrix",
    "LogSumExp",
    "MedianDistance",
    "PutElements",
    "PutRows",
    "Product",
    "ScanLoop",
    "At",
    "Place",
    "Size",
    "State",
    "Statement",
    "View",
    "SquaredDistances",
    "SumRows",
    "TakeElements",
    "TakeRows",
    "FusedLoop",
    "Instruction",
    "Literal",
    "LoopOutput",
    "MatVec",
    "ForwardProduct",
    "ProductLoop",
    "TransposedProduct",
    "Triangle",
    "TriangularSolve",
    "TrilMatVec",
    "TrilOuter",
    "tril_matvec",
    "tril_outer",
    "UniformStreams",
    "Pack",
    "Unpack",
    "pack",
    "unpack",
]
