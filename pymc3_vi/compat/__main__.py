"""``python -m pymc3_vi.compat``: what is changed in other packages, when, and why."""

import textwrap

from ._install import PATCHES


def table():
    """Text with a paragraph for each patch."""
    lines = []
    for patch in PATCHES:
        state = "not needed here" if not patch.needed else f"at {patch.when}" if patch.enabled else "switched off"
        lines.append(f"{patch.name} ({state})")
        lines += textwrap.wrap(patch.reason, 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
