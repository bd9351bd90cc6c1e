"""A group in words, and as a notebook shows it."""

import numpy as np

from ..html_tables import html_table

__all__ = ["ShownGroup"]


class ShownGroup:
    """Mixin for :class:`Group`: its family and size in one line, and a table of its variables and parameters."""

    def __str__(self):
        if self.group is None:
            return f"{type(self).__name__}[undefined]"
        rows = "None, " if self.local else f"{self.bdim}, " if self.batched else ""
        return f"{type(self).__name__}[{rows}{self.ddim}]"

    def __repr__(self):
        return f"<{self} of {', '.join(v.name for v in self.group)}>" if self.group else f"<{self}>"

    def _repr_html_(self):
        rows = [] if self.group is None else [("variables", ", ".join(v.name for v in self.group))]
        for param in {} if self.group is None else self.params:
            value = param.get_value(borrow=True) if hasattr(param, "get_value") else None
            rows.append((str(param.name), "an expression" if value is None else f"shape {np.shape(value)}"))
        return html_table(rows, str(self))
