"""An edit that spares time whenever Theano is imported."""

from ._patch import SourceEdits

__all__ = ["EDITS"]

EDITS = [
    SourceEdits(
        "blas_when_needed",
        "Theano looks for a BLAS to link at every import, by compiling and running up to four programs (0.7 s), and "
        "only logs that there is none; now it looks when it generates code for one.",
        {
            "theano.tensor.blas_headers": [
                (r"\nif not config\.blas__ldflags:\n    _logger\.warning\(\"Using NumPy C-API[^\n]*\n", "\n\n\n")
            ]
        },
    )
]
