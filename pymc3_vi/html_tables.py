"""Tables of labels and values as HTML, for the ``_repr_html_`` that notebooks show."""

import html

__all__ = ["html_table"]

_LEFT = " style='text-align:left'"


def html_table(rows, title=None):
    """HTML of pairs of label and text, escaped, below a `title`."""
    head = f"<strong>{html.escape(title)}</strong>" if title else ""
    body = "".join(f"<tr><th{_LEFT}>{html.escape(a)}</th><td{_LEFT}>{html.escape(str(b))}</td></tr>" for a, b in rows)
    return f"{head}<table>{body}</table>"
