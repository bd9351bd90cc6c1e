"""What each part of the compiler earns: it is switched off, over the models of the benchmarks.

Usage: ``make ablation``, or ``python -m benchmarks.ablation [MODEL ...]``.  Every run is a process of its own with an
empty cache, beside one with all on with which it takes turns, and is stored as it ends: a run that was stopped goes on
where it stood.  ``--rounds 2`` repeats all, ``--tables`` runs nothing.  Tables go into docs/ablation.md.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import re
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np

from benchmarks.data import DATA, data_of
from benchmarks.environments import BENCH, ROOT
from benchmarks.worker import PACKAGES, RATE, Phases

STORE, DOCUMENT = BENCH / "ablation.jsonl", ROOT / "docs" / "ablation.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
ALL_ON = "all on"

#: Draws per step; the graphs of many are batched ones.
DRAWS = (1, 16)
#: Seconds of a slice, their number, and seconds that an answer may take.
SLICE, SLICES, LONGEST = 0.05, 15, 300
FORK = multiprocessing.get_context("fork")
PACKAGE = PACKAGES["pymc3_vi"]()


class NewSource(Exception):
    """A function has other C++ code than with all on."""


# ---------------------------------------------------------------- what can be switched off
def with_value(value, name):
    """Switch that puts `value` in the place of an attribute; () stands for a class without instances."""
    return mock.patch(f"pymc3_vi.compiler.{name}", value).start


def without_rewrite(*names):
    """Switch that leaves out rewrites of the lists in `_rewrites`, by their names or the names of their classes."""

    def off():
        from pymc3_vi.compiler import _rewrites

        for rewrites in (_rewrites.FAST_REWRITES, _rewrites.EXACT_REWRITES, _rewrites.PYTHON_REWRITES):
            rewrites[:] = [r for r in rewrites if getattr(r[0], "__name__", type(r[0]).__name__) not in names]

    return off


def without_counterpart(*types):
    """Switch that leaves Ops of these types as they are: no Op with C code takes their place."""

    def off():
        from pymc3_vi.compiler import _linear_algebra

        for name in types:
            _linear_algebra.linear_algebra_in_c.register(getattr(_linear_algebra, name), lambda op, node: None)

    return off


def small_factors_by_blas():
    from pymc3_vi.compiler.ops import _batch_matmul

    def source(name, read=_batch_matmul.c_source, **places):
        text = read(name, **places)
        return re.sub("PV_SMALL_FACTOR = [^;]*;", "PV_SMALL_FACTOR = 0;", text)

    mock.patch.object(_batch_matmul, "c_source", source).start()


def slices_for_unpack():
    import theano.tensor as tt

    def unpack(z, shapes, dtypes, broadcastables):
        ends = np.cumsum([0] + [int(np.prod(shape, dtype="int64")) for shape in shapes])
        for begin, end, shape, dtype, pattern in zip(ends, ends[1:], shapes, dtypes, broadcastables):
            part = z[..., begin:end].reshape([*z.shape[:-1], *shape], ndim=z.ndim - 1 + len(shape))
            yield tt.patternbroadcast(tt.cast(part, dtype), z.broadcastable[:-1] + tuple(pattern))

    mock.patch("pymc3_vi.graph._layout.unpack", unpack).start()


BUILDER, ELEMENTS = "_loop_fusion._LoopBuilder", "_element_rewrites"
NO_CODE = mock.Mock(side_effect=NotImplementedError)
SWITCHES = {
    "fused loops (and what builds on them)": without_rewrite("FuseLoops", "FuseProducts", "FuseLoopsInplace"),
    "fused loops: in place": without_rewrite("FuseLoopsInplace"),
    "fused loops: products with a data matrix inside": without_rewrite("FuseProducts"),
    "fused loops: products apart from Gemv": without_rewrite("gemv_apart", "FuseProducts"),
    "fused loops: sum of equal numbers": without_rewrite("sum_of_alloc"),
    "fused loops: axes swapped": with_value(lambda self: False, f"{BUILDER}.reads_transposes"),
    "fused loops: short axes written out": with_value(lambda self, instructions: None, f"{BUILDER}._short_axis"),
    "fused loops: integers as floats": with_value(lambda variable: variable, "_loop_fusion._as_float_constant"),
    "fused loops: plain numbers in the source": with_value(lambda number: False, "_loop_fusion.is_plain"),
    "linear algebra: after gradients, too": without_rewrite("linear_algebra_in_c"),
    "linear algebra: Cholesky factors": without_counterpart("Cholesky"),
    "linear algebra: triangular systems": without_counterpart("Solve"),
    "linear algebra: diagonals": without_counterpart("ExtractDiag", "AllocDiag", "Eye"),
    "linear algebra: outer products": without_counterpart("Dot"),
    "linear algebra: stacks": without_counterpart("Blockwise"),
    "linear algebra: log-sum-exp": without_counterpart("Elemwise"),
    "elements: all": without_rewrite("elements_in_c"),
    "elements: cumulative sums": with_value((), f"{ELEMENTS}.CumOp"),
    "elements: taken": with_value((), f"{ELEMENTS}.AdvancedSubtensor1"),
    "elements: put": with_value((), f"{ELEMENTS}.IncSubtensor"),
    "elements: put in place": without_rewrite("TopoOptimizer"),
    "elements: of packed matrices": without_rewrite("elements_by_flat_index"),
    "sliced graphs merged": without_rewrite("MergeSlicedGraphs"),
    "one node for all variables (Unpack, Pack)": slices_for_unpack,
    "vectors joined and cut in C": without_rewrite("parts_in_c"),
    "packed triangular products in C": with_value(NO_CODE, "ops.TrilMatVec.c_code"),
    "rows of stacks (TakeRows, SumRows, PutRows)": with_value(lambda *x: None, "vectorize._indexing._row_vectors"),
    "products of stacks in C": with_value(NO_CODE, "ops.BatchMatmul.c_code"),
    "products of stacks: small factors": small_factors_by_blas,
}


# ---------------------------------------------------------------- one run
def _run(draws, switch, cache, source_is_known, pipe):
    """In a forked process: switch off and compile; then run for a slice of time whenever asked to.

    With `source_is_known` it ends at the first module that is not cached.
    """
    if switch != ALL_ON:
        SWITCHES[switch]()
    from pymc3_vi.compiler._kept_rewrites import keep_rewrites

    keep_rewrites(False)
    with_value(lambda: cache, "_cxx_modules.cache_dir")()
    compiler = mock.Mock(side_effect=NewSource)
    if source_is_known:
        with_value(compiler, "_cxx_modules._run_compiler")()
    phases, n = Phases(), 100
    pipe.recv()
    try:
        with phases("compile"):
            PACKAGE.compile(obj_optimizer=PACKAGE.vi.adam(learning_rate=RATE), obj_n_mc=draws)
        if source_is_known:
            return pipe.send({} if compiler.called else {"same": True})
        pipe.send({"compile": phases["compile"][1]})
        while pipe.recv():
            with phases("run"):
                PACKAGE.steps(n)
            pipe.send(phases["run"][1] / n)
            n = max(3, int(SLICE * n / phases["run"][1]))
    except NewSource:
        pipe.send({})
    except Exception as error:
        pipe.send({"error": f"{type(error).__name__}: {error}"[:300]})


@contextlib.contextmanager
def forked(*arguments):
    """Function that asks a process of :func:`_run`: first how it began, then for the time of a step."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_run, args=(*arguments, theirs))
    process.start()
    try:
        yield lambda: ours.send(True) or (ours.recv() if ours.poll(LONGEST) else {"error": "late"})
    finally:
        process.kill()
        process.join()


def _times(one, other):
    """Median ratio of the times of two processes that take turns, which a busy machine slows alike; least time."""
    one(), other()  # they learn how many steps a slice has
    pairs = [(one(), other()) for _ in range(SLICES)]
    return {"ratio": median(a / b for a, b in pairs), "run": min(a for a, _ in pairs)}


def measure(model, options, done, store):
    """Store a row for every switch that has too few; "same" where no C++ code is another."""
    PACKAGE.load()
    PACKAGE.build(model, data_of(model))
    caches = Path(tempfile.mkdtemp(prefix="ablation", dir=BENCH))
    for draws in options.draws or DRAWS:
        known = str(caches / str(draws))
        os.mkdir(known, mode=0o700)
        with forked(draws, ALL_ON, known, False) as base:
            base()
            for turn, switch in itertools.product(range(options.rounds), [ALL_ON, *SWITCHES]):
                rows = done[model, draws, switch]
                if len(rows) > turn or any("same" in row or "error" in row for row in rows):
                    continue
                row = {}
                if switch != ALL_ON:
                    with forked(draws, switch, known, True) as other:
                        row = other()
                if not row:
                    with tempfile.TemporaryDirectory(dir=caches) as cold, forked(draws, switch, cold, False) as other:
                        row = other()
                        if "error" not in row:
                            row.update(_times(other, base))
                rows.append(row)
                store.write(json.dumps({"model": model, "draws": draws, "switch": switch, **row}) + "\n")
                store.flush()
    shutil.rmtree(caches)


# ---------------------------------------------------------------- tables
def _cell(done, model, draws, switch, quantity):
    rows, all_on = done[model, draws, switch], done[model, draws, ALL_ON]
    if not rows or not all_on or not {"same", quantity} & set(rows[0]):
        return "fails" if rows and "error" in rows[0] else ""
    if "same" in rows[0]:
        return "="
    if quantity == "ratio":
        return f"{median(row['ratio'] for row in rows):.2f}"
    return f"{min(row['compile'] for row in rows) / min(row['compile'] for row in all_on):.2f}"


def tables(done):
    lines = []
    for draws, (quantity, title) in itertools.product(DRAWS, [("ratio", "A step"), ("compile", "Compiling a step")]):
        models = [model for model in DATA if done[model, draws, ALL_ON]]
        if not models:
            continue
        lines += ["", f"## {title} of {draws} draw{'s' * (draws > 1)}: time without the part, by that with all on", ""]
        lines += ["| switched off | " + " | ".join(models) + " |", "| --- |" + " ---: |" * len(models)]
        name, unit, factor = ("run", "µs", 1e6) if quantity == "ratio" else ("compile", "s", 1)
        least = (factor * min(row[name] for row in done[model, draws, ALL_ON]) for model in models)
        lines.append(f"| {ALL_ON}, {unit} | " + " | ".join(map("{:.3g}".format, least)) + " |")
        for switch in SWITCHES:
            cells = [_cell(done, model, draws, switch, quantity) for model in models]
            lines.append(f"| {switch} | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(DATA))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--draws", type=int, action="append", choices=DRAWS)
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    done = defaultdict(list)
    BENCH.mkdir(exist_ok=True)
    for line in STORE.read_text().splitlines() if STORE.exists() else ():
        row = json.loads(line)
        done[row.pop("model"), row.pop("draws"), row.pop("switch")].append(row)
    with open(STORE, "a") as store:
        for model in options.models if not options.tables else ():
            process = FORK.Process(target=measure, args=(model, options, done, store))
            process.start()
            process.join()
    text = "\n".join([BEGIN, *tables(done), "", END])
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda match: text, DOCUMENT.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    main()
