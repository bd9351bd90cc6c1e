"""``approx.report``: what was run, with which options, how long it took and why it stopped."""

import time
from contextlib import contextmanager

from ..errors import NonFiniteError
from ..html_tables import html_table
from ._options import describe
from ._seen_warnings import seen_warnings
from ._versions import package_versions

__all__ = ["FitRun", "FitReport"]


class FitRun:
    """One call of ``fit`` or ``refine``.

    Attributes
    ----------
    asked, steps : int
        Steps asked for and done.
    reason : str
        'done', 'stopped' (by a callback), 'interrupted' (Ctrl-C), 'non-finite', 'failed' (any other error), 'running',
        or 'saved' (comes from a file that was written while it ran).
    message : str
        The same in words.
    compile_seconds, step_seconds : float
    options : dict
        Options that differ from the defaults, as they can be printed.
    warnings : list of str
    left_out : int
        Draws that no step used, since their log density or gradient was not finite.
    """

    def __init__(self, asked):
        self.asked = asked
        self.steps = 0
        self.reason, self.message = "running", "has not ended"
        self.compile_seconds = self.step_seconds = 0.0
        self.options = {}
        self.warnings = []
        self.left_out = 0

    def to_json(self):
        """JSON-able form."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values):
        """Run from what :meth:`to_json` gave."""
        run = cls(int(values["asked"]))
        run.steps, run.reason, run.message = int(values["steps"]), str(values["reason"]), str(values["message"])
        run.compile_seconds, run.step_seconds = float(values["compile_seconds"]), float(values["step_seconds"])
        run.options = dict(values["options"])
        if run.reason == "running":
            run.reason, run.message = "saved", f"saved at step {run.steps:,} of {run.asked:,}"
        run.warnings = [str(w) for w in values["warnings"]]
        run.left_out = int(values.get("left_out", 0))
        return run


class FitReport:
    """Record of all runs of one inference; ``print`` it.

    Attributes
    ----------
    method : str
        Name of the inference class.
    operator : str
        What was optimized.
    runs : list of FitRun
    versions : dict
        Of the packages that ran it.
    """

    def __init__(self, method, operator, versions=None):
        self.method = method
        self.operator = operator
        self.runs = []
        self._begin = 0.0
        self.versions = package_versions() if versions is None else versions

    # ------------------------------------------------------------------------------------------------ recording
    @contextmanager
    def recording(self, asked):
        """Context of one run: collects its warnings (which are shown as ever), and what ended it if it fails."""
        run = FitRun(asked)
        self.runs.append(run)
        with seen_warnings(run.warnings):
            try:
                yield run
            except BaseException as error:
                first = (str(error).splitlines() or [""])[0]
                reasons = {NonFiniteError: "non-finite", KeyboardInterrupt: "interrupted"}
                run.reason = next((r for kind, r in reasons.items() if isinstance(error, kind)), "failed")
                run.message = f"{type(error).__name__}: {first}"
                raise

    def compiled(self, begin):
        """Note that the step was made between the time `begin` (of ``perf_counter``) and now."""
        self.runs[-1].compile_seconds += time.perf_counter() - begin

    def stepping(self, options, words=None, reason=""):
        """Note that steps begin now, with these options.

        Parameters
        ----------
        options : dict
            Those that are None are left out.
        words : str, optional
            What finds q.
        reason : str
            Why it was taken.
        """
        self._begin = time.perf_counter()
        described = {name: describe(value) for name, value in options.items()}
        self.runs[-1].options = {name: _words(d) for name, d in described.items() if d not in (None, [])}
        if words is not None:
            self.runs[-1].options.update(algorithm=words, because=reason)

    def found(self, words):
        """Note what an algorithm says of its result."""
        self.runs[-1].options["algorithm"] = words

    def noted(self, **facts):
        """Note further facts about the current run, as they are printed."""
        self.runs[-1].options.update(facts)

    def stepped(self, steps, left_out=0):
        """Note that the current run has done `steps` steps by now, and left out `left_out` draws."""
        self.runs[-1].step_seconds = time.perf_counter() - self._begin
        self.runs[-1].steps, self.runs[-1].left_out = steps, int(left_out)

    def ended(self, reason, message):
        """Note why the current run ended."""
        self.runs[-1].reason, self.runs[-1].message = reason, message

    # ------------------------------------------------------------------------------------------------ what was run
    @property
    def steps(self):
        """Steps of all runs."""
        return sum(run.steps for run in self.runs)

    @property
    def compile_seconds(self):
        """Seconds spent on building and compiling steps."""
        return sum(run.compile_seconds for run in self.runs)

    @property
    def step_seconds(self):
        """Seconds spent in the loop."""
        return sum(run.step_seconds for run in self.runs)

    @property
    def reason(self):
        """Why the last run ended, see :class:`FitRun`; None before the first."""
        return self.runs[-1].reason if self.runs else None

    @property
    def message(self):
        """The same in words."""
        return self.runs[-1].message if self.runs else "not fitted yet"

    @property
    def options(self):
        """Options of the last run."""
        return self.runs[-1].options if self.runs else {}

    @property
    def warnings(self):
        """Warnings of all runs."""
        return [warning for run in self.runs for warning in run.warnings]

    def brief(self):
        """One line."""
        return f"{self.method}: {self.steps:,} steps in {_seconds(self.step_seconds)}, {self.message}"

    def rows(self):
        """Pairs of label and value, as they are printed."""
        runs = f" in {len(self.runs)} runs" if len(self.runs) > 1 else ""
        rows = [
            ("method", f"{self.method}, {self.operator}"),
            ("steps", f"{self.steps:,}{runs}"),
            ("time", f"{_seconds(self.compile_seconds)} to compile, {_seconds(self.step_seconds)} in steps"),
            ("ended", self.message),
        ]
        left_out = sum(run.left_out for run in self.runs)
        if left_out:
            rows.append(("left out", f"{left_out:,} draws without a finite log density or gradient"))
        rows += [(name, str(value)) for name, value in self.options.items()]
        rows += [("warning", text) for text in dict.fromkeys(self.warnings)]
        return rows + [("versions", ", ".join(f"{name} {version}" for name, version in self.versions.items()))]

    def __str__(self):
        rows = self.rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)

    __repr__ = __str__

    def _repr_html_(self):
        return html_table(self.rows())

    def to_json(self):
        """JSON-able form."""
        return {
            "method": self.method,
            "operator": self.operator,
            "versions": self.versions,
            "runs": [run.to_json() for run in self.runs],
        }

    @classmethod
    def from_json(cls, values):
        """Report from what :meth:`to_json` gave."""
        report = cls(str(values["method"]), str(values["operator"]), dict(values["versions"]))
        report.runs = [FitRun.from_json(run) for run in values["runs"]]
        return report


def _words(description):
    """Description of an option as it is printed."""
    if not isinstance(description, dict):
        return description
    if "opaque" in description:
        return description["opaque"]
    if "float" in description:
        return description["float"]
    if "entries" in description:
        return ", ".join(f"{key}={_words(value)}" for key, value in description["entries"].items())
    name = description.get("optimizer") or description.get("schedule")
    keywords = ", ".join(f"{k}={_words(v)}" for k, v in description["keywords"].items())
    return f"{name}({keywords})" if keywords else name


def _seconds(seconds):
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
