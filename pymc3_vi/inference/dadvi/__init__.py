"""Deterministic ADVI: the ELBO with fixed draws, minimised by Newton's method."""

from ._dadvi import DADVI

__all__ = ["DADVI"]
