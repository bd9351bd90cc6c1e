"""Write the CSV files of the gallery from the packages that have the data: ``python scripts/export_gallery_data.py``.

Needs ``statsmodels`` and ``arch``, which nothing else here does: ``pip install statsmodels arch`` in an environment of
its own.  ``docs/gallery/data/README.md`` names sources and terms.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "gallery" / "data"


def table(package, path, **options):
    """A CSV file that lies in a package, without importing the package."""
    return pd.read_csv(Path(find_spec(package).origin).parent / path, **options)


def write(frame, name):
    frame.to_csv(FOLDER / name, index=False, float_format="%.6g")


def main():
    def statsmodels(name, **options):
        return table("statsmodels", f"datasets/{name}/{name}.csv", **options)

    write(statsmodels("anes96", sep="\t", quotechar="'")[["vote", "PID", "age", "educ", "income"]], "anes96.csv")
    health = statsmodels("randhie")
    write(health.sample(1000, random_state=1).sort_index(), "randhie.csv")
    write(statsmodels("nile"), "nile.csv")
    write(statsmodels("grunfeld"), "grunfeld.csv")
    stackloss = statsmodels("stackloss")
    write(stackloss.rename(columns=str.lower), "stackloss.csv")
    oil = table("arch", "data/wti/wti.csv.gz", na_values=".").dropna()
    oil.columns = ["date", "price"]
    oil["date"] = pd.to_datetime(oil["date"])
    weekly = oil.set_index("date")["2006-01-01":"2010-12-31"].resample("W-FRI").last()
    write(weekly.reset_index(), "wti.csv")


if __name__ == "__main__":
    main()
