"""Every notebook in notebooks/ runs from top to bottom, as somebody with a fresh kernel would."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LONGEST_CELL = 300  # seconds


def run_notebook(notebook: Path) -> None:
    """Run all cells in the notebook's folder; raises where one fails. The file stays as it is."""
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    # No folder of kernels: the one of this interpreter is left, whatever else is installed.
    kernels = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    NotebookClient(
        content,
        km=manager,
        timeout=LONGEST_CELL,
        resources={"metadata": {"path": str(notebook.parent)}},
    ).execute()


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own Jupyter and IPython settings must not decide whether a notebook runs."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.parametrize(
    "notebook",
    [
        pytest.param(path, id=path.relative_to(NOTEBOOKS).as_posix())
        for path in sorted(NOTEBOOKS.rglob("*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
    ],
)
def test_notebook_runs(notebook: Path) -> None:
    run_notebook(notebook)
