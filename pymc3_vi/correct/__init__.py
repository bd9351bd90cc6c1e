"""From q to the posterior: many short Hamiltonian chains that begin at q."""

from ._basins import Basin, Basins
from ._convergence import chain_errors, nested_rhat, tail_shape
from ._correction import HMC, ChainDraws
from ._hmc import Run, run_chains

__all__ = ["HMC", "ChainDraws", "Run", "Basin", "Basins", "run_chains", "nested_rhat", "chain_errors", "tail_shape"]
