"""What ``import pymc3_vi`` prints and leaves behind."""

import os
import subprocess
import sys

import pytest

from tests.processes import forked

SHOW = (
    "import warnings, logging; "
    "print([f[0] + f[2].__name__ for f in warnings.filters], logging.getLogger('pymc3').filters)"
)
BEFORE = "import numpy.distutils.__config__ as c; c.blas_opt_info = getattr(c, 'blas_opt_info', {}); "


def run(script, **more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARNINGS")}
    environment.update(more)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)


def test_nothing_is_said(tmp_path):
    """Nor on a day's first import, of which ArviZ leaves a file in the cache."""
    done = run("from pymc3_vi import fit; import pymc3; print('imported')", XDG_CACHE_HOME=str(tmp_path))
    assert (done.stdout, done.stderr) == ("imported\n", "")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="PyMC3 alone cannot be imported")
def test_filters_of_other_packages_stay():
    """Those that NumPy, SciPy and PyMC3 set while they are imported, too; and loggers have none of ours."""
    assert run(f"import pymc3_vi; {SHOW}").stdout == run(f"{BEFORE}import pymc3; {SHOW}").stdout


def test_loggers_speak_afterwards():
    done = forked("import pymc3_vi, logging; logging.getLogger('pymc3').warning('The version of PyMC you are using')")
    assert done.stderr == "The version of PyMC you are using\n"


def test_no_blas_is_looked_for_before_one_is_needed():
    """Theano compiles and runs programs to find one: 0.7 s of every import; steps call SciPy's."""
    done = forked(
        """
        import pymc3_vi, pymc3, theano
        from theano.link.c.cmodule import default_blas_ldflags
        flag = theano.config._config_var_dict["blas__ldflags"]
        with pymc3_vi.fast_build(), pymc3.Model() as model:
            pymc3.Normal("y", pymc3.math.dot([[1.0, 2.0], [2.0, 1.0]], pymc3.Normal("x", shape=2)), observed=[1.0, 2.0])
        pymc3_vi.fit(50, model=model, progressbar=False).diagnose()
        print("found" if hasattr(flag, "val") else "not looked for")
        print("as Theano has it" if theano.config.blas__ldflags == default_blas_ldflags() else "another")
        """
    )
    assert done.stdout.splitlines() == ["not looked for", "as Theano has it"]


@pytest.mark.parametrize("before, enabled, frozen", [("", True, False), ("gc.disable(); gc.freeze()", False, True)])
def test_garbage_is_not_looked_for_among_what_is_imported(before, enabled, frozen):
    """No collection looks at everything meanwhile, and afterwards the collector is as it was."""
    script = f"""
import gc
{before}
collections = []
gc.callbacks.append(lambda phase, info: collections.append(info["generation"]))
import pymc3_vi
print(collections.count(2), gc.isenabled(), gc.get_freeze_count() > 0)
"""
    assert run(script).stdout.split() == ["0", str(enabled), str(frozen)]
