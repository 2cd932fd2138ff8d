"""What JupyterLab gets from the course: cells that it folds, and the folder lab/.

How it looks there, `make jupyterlab` tries in a browser (tests/lanes/jupyterlab.py).
"""

import json
import tomllib

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.notebooks import (
    ROOT,
    code_cells,
    fold_predicted,
    notebooks,
    predicted,
    read,
)

LAB = ROOT / "lab"


def folded(cell):
    return cell.metadata.get("jupyter", {}).get("outputs_hidden", False)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_what_readers_predict_is_folded_and_nothing_else_in_view(path):
    notebook = read(path)
    asked = {cell.id for cell in predicted(notebook)}
    in_view = [
        cell
        for cell in code_cells(notebook)
        if not cell.metadata.get("jupyter", {}).get("source_hidden")
    ]
    shown = asked - {cell.id for cell in code_cells(notebook) if folded(cell)}
    assert not shown, f"run `make execute` or fold the output in JupyterLab: {shown}"
    assert not {cell.id for cell in in_view if folded(cell)} - asked


ASK = ":::{admonition} Predict, then run\n:class: predict\nWhat?\n:::"


def cells(*parts):
    """Make a notebook: Markdown as it is, code cells by their names."""
    made = []
    for part in parts:
        name = part.removesuffix("-proof")
        if not name.isidentifier():
            made.append(new_markdown_cell(part))
            continue
        made.append(new_code_cell(name))
        if part != name:
            made[-1].metadata.tags = ["proof"]
    return new_notebook(cells=made)


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (["a", ASK, "b", "Read.", "c"], "b"),
        (["# One", ASK, "b", "c", "d-proof", "e", "Read.", "f"], "bce"),
        ([ASK, "A word more.", "b", "## Next", "c"], "b"),
        ([ASK, "## Next", "c"], ""),
        ([ASK, "a", ASK, "b", "Read."], "ab"),
        (["```\n:class: predict\n```", "a"], ""),
    ],
)
def test_predicted_code_is_what_follows_the_question(parts, found):
    notebook = cells(*parts)
    assert "".join(cell.source for cell in predicted(notebook)) == found
    fold_predicted(notebook)
    cells_folded = [cell.source for cell in code_cells(notebook) if folded(cell)]
    assert "".join(cells_folded) == found


def test_folder_is_installed_where_jupyterlab_looks():
    project = tomllib.loads((LAB / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = wheel["shared-data"]
    there = {path.name for path in LAB.iterdir() if path.is_file()}
    assert files.keys() == there - {"pyproject.toml"}

    package = json.loads((LAB / "package.json").read_text("utf-8"))
    room = f"share/jupyter/labextensions/{package['name']}"
    assert files["package.json"] == f"{room}/package.json"
    loaded = package["jupyterlab"]["_build"]["load"]
    assert files["chapters.js"] == f"{room}/{loaded}"
    # Who loads the script by this name asks for the container by the other.
    script = (LAB / "chapters.js").read_text("utf-8")
    assert f'_JUPYTERLAB["{package["name"]}"] =' in script


def test_settings_are_ones_that_jupyterlab_knows():
    jupyterlab = pytest.importorskip("jupyterlab.commands")
    schemas = jupyterlab.pjoin(jupyterlab.get_app_dir(), "schemas")
    settings = json.loads((LAB / "settings.json").read_text("utf-8"))
    for name, values in settings.items():
        plugin, _, part = name.partition(":")
        with open(jupyterlab.pjoin(schemas, plugin, f"{part}.json")) as file:
            known = json.load(file)["properties"]
        assert values.keys() <= known.keys(), name
        for key, value in values.items():
            choices = [one["const"] for one in known[key].get("oneOf", [])]
            assert not choices or value in choices, f"{name}: {key}"
