"""What the site needs at build time and `_config.yml` cannot say.

Jupyter Book loads this module as a Sphinx extension (`sphinx.local_extensions`).
It is the only place for Python that runs while the book is built.
"""

import os
import posixpath
import re
from pathlib import Path
from urllib.parse import unquote
from zlib import crc32

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.images import get_image_size
from sphinx_exercise.nodes import exercise_subtitle

# The start of a picture's tag, and the name of its file.
PICTURE = re.compile(r'<img (?=[^>]*\bsrc="[^"]*\b_images/([^"/]+)")')

AT_ONCE = (
    "documentation_options.js",
    "memory.js",
    "sections.js",
    "progress.js",
    "reader.js",
)

# What the theme copies and no page of this site loads: icons as a script, fonts in a
# form that no browser needs any more, source maps, and live code.
NEVER_LOADED = (
    "scripts/fontawesome.js*",
    "sphinx-thebe.*",
    "*webpack-macros.html",
    "**/*.ttf",
    "**/*.map",
)

# Where the theme's script gives tab stops to what scrolls. It asks for the width of all
# code at once, which lays out the whole of a long page: `page.js` does it bit by bit.
TAB_STOPS = re.compile(r'\["pre",[^]]*\]\.join\(", "\)')

# The theme's own style sheets, which stand before those that a page lists.
THEME_STYLES = ("styles/theme.css", "styles/pydata-sphinx-theme.css")
# Ours, which Jupyter Book lists in the order of the file system. What holds on paper
# comes last, over all that holds elsewhere.
OWN_STYLES = (
    "course.css",
    "landing.css",
    "links.css",
    "progress.css",
    "reader.css",
    "print.css",
)
IMPORT = re.compile(r'@import "([^"]+)";')
ADDRESS = re.compile(r"""url\((["']?)(?!data:|#|/|\w+:)([^"')]+)\1\)""")

# Names, punctuation and white space in code, which have the colour of text: four of ten
# elements of a chapter.
UNCOLOURED = re.compile(r'<span class="[npw]">([^<]*)</span>')

# What sphinx-exercise calls the content of each exercise: an id stands once on a page.
SHARED_ID = re.compile(r' id="(?:exercise|solution)-content"')

# A header cell that heads nothing: the corner of a table.
EMPTY_HEADER = re.compile(r"<th\b([^>]*)>(?:\s|&nbsp;|<p>\s*</p>)*</th>")


def configure(app, config):
    """Add the vendored files and, where a repository is named, its buttons.

    The environment variable ``COURSE_REPOSITORY_URL`` (for example
    ``https://github.com/OWNER/NAME``) turns on the edit, issue, repository, Colab
    and Binder buttons of every page. Unset or empty, no page shows any of them.
    ``COURSE_REPOSITORY_BRANCH`` names the branch that they open, ``main`` if unset.
    """
    config.html_static_path.append(str(Path(app.srcdir, "_vendor")))
    # Formulas are set by now (`formulas.py`): their script stays here.
    config.exclude_patterns.append("katex/*.js")
    config.html_css_files += ["katex/katex.min.css", "icons/icons.css"]

    url = os.environ.get("COURSE_REPOSITORY_URL", "").rstrip("/")
    if url:
        app.tags.add("repository")  # for what a page says with `only`
    options = config.html_theme_options
    options["repository_url"] = url
    options["repository_branch"] = os.environ.get("COURSE_REPOSITORY_BRANCH", "main")
    for button in ("edit_page", "issues", "repository"):
        options[f"use_{button}_button"] = bool(url)
    options["launch_buttons"] = (
        {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        }
        if url
        else {}
    )


def read_style(static, name):
    """Return a style sheet, imports in place, addresses as seen from `static`."""
    folder = posixpath.dirname(name)

    def moved(address):
        return posixpath.normpath(posixpath.join(folder, address))

    text = Path(static, name).read_text("utf-8").replace('@charset "UTF-8";', "")
    text = ADDRESS.sub(lambda found: f'url("{moved(found[2])}")', text)
    return IMPORT.sub(lambda found: read_style(static, moved(found[1])), text)


def join_styles(app, error):
    """Write the style sheets of the site as one, which costs one request."""
    names = getattr(app.builder, "course_styles", None)
    if names and not error:
        static = Path(app.outdir, "_static")
        text = "\n".join(read_style(static, name) for name in names)
        Path(static, "site.css").write_text(text, "utf-8")


def leave_tab_stops(app, error):
    """Take the tab stops of what scrolls from the theme's script.

    Raises
    ------
    ExtensionError
        If the script no longer says where it gives them.
    """
    if error or app.builder.format != "html":
        return
    script = Path(app.outdir, "_static", "scripts", "pydata-sphinx-theme.js")
    text = script.read_text("utf-8")
    changed, found = TAB_STOPS.subn('"#nothing"', text)
    if not found and '"#nothing"' not in text:
        raise ExtensionError(f"{script.name} has a new way to give tab stops")
    script.write_text(changed, "utf-8")


def choose_assets(app, pagename, templatename, context, doctree):
    """Load one style sheet, and thebe nowhere."""
    # In place: the lists are the builder's own, which add_css_file appends to.
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]
    paths = [str(style.filename) for style in context["css_files"]]
    names = [path.removeprefix("_static/") for path in paths if "thebe" not in path]
    names.sort(key=lambda name: OWN_STYLES.index(name) if name in OWN_STYLES else -1)
    # They are joined when all are there: some are copied, or changed, after the pages.
    app.builder.course_styles = [*THEME_STYLES, *names]
    context["css_files"].clear()
    files = (Path(app.outdir, "_static", name) for name in app.builder.course_styles)
    known = b"".join(file.read_bytes() for file in files if file.exists())
    context["styles_version"] = f"{crc32(known):08x}"
    # Scripts run once the page has been read, so that none keeps it from being shown,
    # less those that scripts within the page call. The search page calls them all.
    if pagename != "search":
        context["script_files"][:] = [
            type(script)(
                script.filename,
                priority=script.priority,
                **script.attributes | {"defer": "defer"},
            )
            if script.filename and Path(script.filename).name not in AT_ONCE
            else script
            for script in context["script_files"]
        ]


def mend_markup(app, pagename, templatename, context, doctree):
    """Mend what keeps assistive technology from reading tables and folded cells.

    Pictures load when they come near; their place is kept, so that nothing jumps.
    """
    files = {name: path for path, name in app.builder.images.items()}

    def keep_place(tag):
        path = files.get(unquote(tag[1]))
        size = get_image_size(Path(app.srcdir, path)) if path else None
        place = f'width="{size[0]}" height="{size[1]}" ' if size else ""
        return f'{tag[0]}loading="lazy" {place}'

    if "body" in context:
        body = PICTURE.sub(keep_place, context["body"])
        body = EMPTY_HEADER.sub(r"<td\1></td>", body)
        body = UNCOLOURED.sub(r"\1", body)
        body = SHARED_ID.sub("", body)
        # MyST-NB hides the visible "Show code cell source" behind this name.
        context["body"] = body.replace(' aria-label="Toggle hidden content"', "")


def drop_unused(app, error):
    """Delete from the site what none of its pages loads."""
    if not error and app.builder.format == "html":
        for pattern in NEVER_LOADED:
            for file in Path(app.outdir, "_static").glob(pattern):
                file.unlink()


class PlainAddresses(SphinxTransform):
    """Take back what MyST escapes in addresses: each builder escapes for itself."""

    default_priority = 900  # after sphinx.transforms.i18n.Locale

    def apply(self, **kwargs):
        """Let links with several parameters arrive."""
        for link in self.document.findall(nodes.reference):
            if "refuri" in link:
                link["refuri"] = link["refuri"].replace("&amp;", "&")


class ExerciseTitles(SphinxTransform):
    """Let gettext see the titles of exercises, which it skips without a source."""

    default_priority = 10  # before sphinx.transforms.i18n.Locale

    def apply(self, **kwargs):
        """Wrap each title in a node that says where it stands and what was typed."""
        marks = {nodes.literal: "`", nodes.math: "$"}
        for title in self.document.findall(exercise_subtitle):
            typed = "".join(
                marks.get(type(part), "") + part.astext() + marks.get(type(part), "")
                for part in title
            )
            text = nodes.inline(typed, "", *title.children, translatable=True)
            text.source, text.line = self.document["source"], 0
            title.children = []
            title += text


def setup(app):
    """Register the hooks."""
    app.add_transform(ExerciseTitles)
    app.add_transform(PlainAddresses)
    app.connect("config-inited", configure)
    app.connect("html-page-context", choose_assets, priority=900)
    app.connect("html-page-context", mend_markup)
    app.connect("build-finished", join_styles, priority=900)
    app.connect("build-finished", leave_tab_stops)
    app.connect("build-finished", drop_unused)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
