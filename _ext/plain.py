"""The plain flavour of notebooks (`tools/plain.py`), where the site hands them out.

The button that downloads a notebook gives it in that flavour. So do the buttons for
Colab, Kaggle and GitHub, which open it on the branch that the workflow writes.
"""

import sys
from pathlib import Path

import nbformat
from sphinx.errors import ExtensionError

sys.path.append(str(Path(__file__).parents[1]))
from tools import plain


def offer(app, error):
    """Put the plain notebooks in the place of those that pages offer.

    Raises
    ------
    ExtensionError
        If one can't be written.
    """
    if error or app.builder.format != "html":
        return
    course = plain.configured(Path(app.srcdir))
    for path in course.notebooks:
        offered = Path(app.outdir, "_sources", path.relative_to(course.root))
        if offered.exists():
            try:
                nbformat.write(course.written(path), offered)
            except ValueError as problem:
                raise ExtensionError(str(problem)) from problem


def point(app, pagename, templatename, context, doctree):
    """Let buttons open the plain notebook: Colab's, and those for Kaggle and GitHub."""
    options = app.config.html_theme_options
    branch = options["repository_branch"]
    for group in context.get("header_buttons", ()):
        if group.get("label") != "launch-buttons":
            continue
        for button in group["buttons"]:
            if button["text"] == "Colab":
                button["url"] = button["url"].replace(
                    f"/blob/{branch}/", f"/blob/{plain.BRANCH}/"
                )
        page = f"{options['repository_url']}/blob/{plain.BRANCH}/{pagename}.ipynb"
        kaggle = f"https://kaggle.com/kernels/welcome?src={page}"
        group["buttons"] += [
            {"type": "link", "text": "Kaggle", "url": kaggle},
            {"type": "link", "text": "GitHub", "url": page},
        ]


def setup(app):
    """Register the hooks."""
    app.connect("html-page-context", point, priority=502)  # the theme's are at 501
    app.connect("build-finished", offer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
