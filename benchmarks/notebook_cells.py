"""Take code from a chapter by the ids of its cells, so that it stands once."""

import linecache
from pathlib import Path

import nbformat

CHAPTERS = Path(__file__).parent.parent / "chapters"


def run_cells(chapter, ids):
    """Execute some cells of a chapter and return their namespace.

    Parameters
    ----------
    chapter : str
        Name of the notebook without its suffix.
    ids : list of str
        Ids of code cells, in the order in which they are to run.

    Returns
    -------
    dict
        The names that the cells have defined.

    Raises
    ------
    KeyError
        If the notebook has no cell with one of the ids.
    """
    notebook = nbformat.read(CHAPTERS / f"{chapter}.ipynb", nbformat.NO_CONVERT)
    sources = {cell.id: cell.source for cell in notebook.cells}
    namespace = {"__name__": f"chapters.{chapter}"}
    for name in ids:
        source, file = sources[name], f"<{chapter}:{name}>"
        # So that tracebacks and inspect.getsource find the lines.
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        exec(compile(source, file, "exec"), namespace)
    return namespace
