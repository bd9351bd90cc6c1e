"""Run the notebooks and store their outputs: ``make gallery``, or with names of notebooks."""

import base64
import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cells import FOLDER, digest, names, page  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from notebooks import OUTPUTS, read  # noqa: E402
from PIL import Image  # noqa: E402


def run(name):
    """Run one notebook in a kernel of its own; its seconds."""
    begin = time.time()
    notebook = read(page(name))
    here = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=here).execute()
    outputs = [
        [_small(output) for output in cell.outputs if not _passing(output)]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    text = json.dumps({"digest": digest(page(name)), "outputs": outputs}, indent=0) + "\n"
    (OUTPUTS / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {time.time() - begin:.0f} s, {len(text) // 1024} KB", flush=True)


def _passing(output):
    """Whether an output is a warning or a progress bar."""
    bar = "<IPython.core.display.HTML object>"
    return output.get("name") == "stderr" or output.get("data", {}).get("text/plain") == bar


def _small(output):
    """An output without what differs from run to run, its pictures in 64 colours."""
    output = {key: value for key, value in output.items() if key not in ("execution_count", "metadata")}
    if output["output_type"] in ("execute_result", "display_data"):
        output["output_type"] = "display_data"
        output["metadata"] = {}
        data = output["data"]
        if "image/png" in data:
            picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
            small = io.BytesIO()
            picture.quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
            output["data"] = {"image/png": base64.b64encode(small.getvalue()).decode(), "text/plain": "<Figure>"}
    return output


if __name__ == "__main__":
    OUTPUTS.mkdir(exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")])
    with ThreadPoolExecutor(int(os.environ.get("JOBS", 2))) as pool:
        list(pool.map(run, sys.argv[1:] or names()))
