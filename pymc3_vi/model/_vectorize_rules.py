"""How PyMC3's own Ops work on a batch; importing this module registers the rules."""

import numpy as np
import theano.tensor as tt
from pymc3.distributions.dist_math import SplineWrapper
from pymc3.distributions.multivariate import PosDefMatrix
from pymc3.math import BatchedDiag, BlockDiagonalMatrix, LogDet
from pymc3.ode import DifferentialEquation

from ..compiler.vectorize import NoBatchRule, blockwise, rule, stacked

__all__ = []

rule.register(LogDet)(blockwise)
rule.register(PosDefMatrix)(blockwise)
rule.register(DifferentialEquation)(blockwise)


@stacked.register(LogDet)
def _log_determinants(op, batched, matrices):
    return np.linalg.slogdet(matrices)[1]


@rule.register(SplineWrapper)
def _spline(op, node, operands, batch):
    return [op(operands[0].variable)]  # elementwise, whatever the shape


@rule.register(BatchedDiag)
def _batched_diagonals(op, node, operands, batch):
    diagonals = operands[0].variable
    n = diagonals.shape[2]
    return [diagonals.dimshuffle(0, 1, 2, "x") * tt.eye(n, dtype=diagonals.dtype).dimshuffle("x", "x", 0, 1)]


@rule.register(BlockDiagonalMatrix)
def _block_diagonal(op, node, operands, batch):
    if op.sparse:
        raise NoBatchRule("its result is sparse")
    blocks = [operand.filled(batch) for operand in operands]
    height, width = (sum(block.shape[axis] for block in blocks) for axis in (1, 2))
    result = tt.zeros((batch, height, width), dtype=node.outputs[0].dtype)
    row = column = 0
    for block in blocks:
        rows, columns = slice(row, row + block.shape[1]), slice(column, column + block.shape[2])
        result = tt.set_subtensor(result[:, rows, columns], block)
        row, column = rows.stop, columns.stop
    return [result]
