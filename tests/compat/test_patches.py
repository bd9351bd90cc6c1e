"""What is changed in other packages: by importing this one, by install(), and that it is taken back."""

import os
import subprocess
import sys
import textwrap

import pymc3_vi
from pymc3_vi.compat._install import PATCHES
from pymc3_vi.compat._patch import VARIABLE, Replacements, SourceEdits

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.compile.mode import Mode
from theano.scalar import Composite

from tests.processes import forked

# Ids of all that modules of other packages hold, and of all that their classes hold.
SNAPSHOT = """
    import inspect, sys

    def snapshot():
        kept = {}
        for name, module in sorted(sys.modules.items()):
            if name.partition(".")[0] in ("theano", "pymc3", "arviz") and inspect.ismodule(module):
                for attribute, value in list(vars(module).items()):
                    if attribute == "__warningregistry__":
                        continue
                    kept[name, attribute] = value
                    if inspect.isclass(value) and value.__module__ == name:
                        for member, held in list(vars(value).items()):
                            if not member.startswith("_abc") and member != "__doc__":
                                kept[name, attribute, member] = held
            elif name.partition(".")[0] == "pymc3":
                kept[name] = module
        return kept

    def changed(before, after):
        names = set(before) | set(after)
        return sorted(name for name in names if before.get(name) is not after.get(name))
"""


def run(script, **environment):
    """In a process that has imported this package already."""
    return forked(textwrap.dedent(SNAPSHOT) + textwrap.dedent(script), **environment)


def run_anew(script, check=True, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SNAPSHOT) + textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def test_uninstall_takes_back_all_that_install_did():
    done = run(
        """
        import pymc3_vi
        before = snapshot()
        with pymc3_vi.install():
            inside = snapshot()
        assert changed(before, snapshot()) == [], changed(before, snapshot())
        pymc3_vi.install(); pymc3_vi.install(); pymc3_vi.uninstall()
        assert changed(before, snapshot()) == []
        print(changed(before, inside))
        """
    )
    for name in ("'pymc3', 'fit'", "'theano.graph.op', 'compute_test_value'", "'theano.graph.toolbox', 'inspect'"):
        assert name in done.stdout


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="PyMC3 cannot be imported first")
def test_importing_changes_what_the_list_says_and_nothing_else():
    run_anew(
        """
        import pymc3, theano.ifelse, theano.scan, theano.sandbox.rng_mrg, theano.sparse, theano.tensor.nnet.bn
        import arviz
        from theano.compile import optdb
        names = set(optdb.__db__)
        before = snapshot()
        import pymc3_vi
        after = snapshot()
        found = [name for name in changed(before, after) if name in before]
        from pymc3_vi.compat._install import PATCHES
        listed = [old for patch in PATCHES if patch.when == "import" for old in getattr(patch, "_old", [])]
        listed = {(id(owner), attribute) for owner, attribute, _ in listed}
        owners = [sys.modules[n[0]] if len(n) == 2 else getattr(sys.modules[n[0]], n[1]) for n in found]
        assert found and {(id(owner), n[-1]) for owner, n in zip(owners, found)} <= listed, found
        assert set(optdb.__db__) == names, set(optdb.__db__) - names
        """
    )


def test_patches_that_overlap_are_taken_back_with_the_last():
    class Owner:
        value = 1

    patch = Replacements("try", "for this test", lambda: [(Owner, "value", 2), (Owner, "other", 3)], when="build")
    with patch:
        with patch:
            assert (Owner.value, Owner.other) == (2, 3)
        assert Owner.value == 2 and patch.applied
    assert Owner.value == 1 and not hasattr(Owner, "other") and not patch.applied


def test_every_patch_has_a_name_of_its_own_and_a_reason():
    names = [patch.name for patch in PATCHES]
    assert len(set(names)) == len(names)
    assert all(patch.reason.endswith(".") and patch.when in ("import", "build", "install") for patch in PATCHES)
    assert {name for patch in PATCHES if isinstance(patch, SourceEdits) for name in patch.edits}


def test_one_patch_can_be_switched_off():
    assert (
        "fit changed: True, test values changed: False"
        in run(
            """
        import pymc3_vi, pymc3, theano.graph.op
        old = theano.graph.op.compute_test_value
        pymc3_vi.install()
        print(f"fit changed: {pymc3.fit is pymc3_vi.fit}, "
              f"test values changed: {theano.graph.op.compute_test_value is not old}")
        """,
            **{VARIABLE: " test_values, shuffles"},
        ).stdout
    )


def test_an_unknown_name_to_switch_off_is_an_error():
    done = run_anew("import pymc3_vi", check=False, **{VARIABLE: "test_value"})
    assert done.returncode == 1 and "names 'test_value', which is no patch" in done.stderr
    assert "Did you mean 'test_values'?" in done.stderr


def test_the_table_names_every_patch():
    done = run("import runpy; runpy.run_module('pymc3_vi.compat', run_name='__main__')")
    assert all(f"\n{patch.name} (" in "\n" + done.stdout for patch in PATCHES)


def test_minibatches_and_traces_work_without_install():
    data = pm.Minibatch(np.arange(20.0), batch_size=5)
    assert data.eval().shape == (5,)
    with pymc3_vi.fast_build(), pm.Model():
        pm.Normal("x", 0.0, 1.0)
        trace = pymc3_vi.fit(20, progressbar=False, random_seed=1).sample(50)
    assert list(az.summary(trace, kind="stats").index) == ["x"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the C code compiles up to Python 3.10")
def test_scans_run_in_python():
    """The name of the module with C code for scan stands for no module."""
    assert sys.modules["theano.scan.scan_perform_ext"] is None


@pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")
@pytest.mark.parametrize("compiler", [True, False])
def test_loops_are_fused_for_a_compiler_only(compiler):
    x = tt.vector("x")
    with theano.config.change_flags({} if compiler else {"cxx": ""}):
        function = theano.function([x], tt.exp(x) * 2 + 1, mode=Mode("py", "fast_run"))
    fused = [
        node for node in function.maker.fgraph.toposort() if isinstance(getattr(node.op, "scalar_op", 0), Composite)
    ]
    assert bool(fused) == compiler
    np.testing.assert_allclose(function([0.0, 1.0]), [3.0, 2 * np.e + 1])
