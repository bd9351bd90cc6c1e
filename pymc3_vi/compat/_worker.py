"""Start of a process of `pm.sample` that was not forked: importing this module has imported pymc3_vi before PyMC3."""

import importlib

__all__ = ["run"]


def run(*arguments):
    """Run one chain."""
    importlib.import_module("pymc3.parallel_sampling")._run_process(*arguments)
