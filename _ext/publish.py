"""What readers expect of a site beyond its text.

Figures of the chapters on other pages, the time that chapters take, when and with what
each was run, metadata for search engines and link previews, a site map, and a page for
addresses that lead nowhere.

The environment variable ``COURSE_SITE_URL`` (for example
``https://OWNER.github.io/NAME``) says where the site is published. Only where it is set
do pages name their own address and is there a site map.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit
from xml.etree import ElementTree

from docutils import nodes
from docutils.parsers.rst.directives.images import Figure
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.i18n import format_date

DESCRIPTION_LENGTH = 160  # characters, about what search engines show
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
PICTURES = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpeg"}
TIME = re.compile(r"\*\*Time:?\*\*:? about (\w+) (minute|hour)s?\b")
NUMBERS = {"an": 1, "one": 1, "two": 2, "three": 3}
RELATIVE_LINK = re.compile(r'\b(href|src|action|data-content_root)="(?![#/]|\w+:)')


@cache
def read_notebook(path):
    """Return the notebook in a file as nbformat's JSON has it."""
    return json.loads(path.read_text("utf-8"))


def minutes(notebook):
    """Return how many minutes a chapter takes, as its head says.

    Raises
    ------
    ValueError
        If the chapter's first cell states no time.
    """
    head = "".join(notebook["cells"][0]["source"])
    stated = TIME.search(head)
    if stated is None or not (stated[1].isdigit() or stated[1] in NUMBERS):
        raise ValueError(
            'the first cell has to say "**Time:** about 75 minutes" (or "an hour", '
            '"two hours"), and says nothing of that form'
        )
    number = int(NUMBERS.get(stated[1], stated[1]))
    return number * 60 if stated[2] == "hour" else number


class Time(SphinxRole):
    """The time that chapters take, added up: ``{time}`chapters/*```."""

    def run(self):
        """Read the heads of the chapters, so that no page repeats what they say."""
        paths = sorted(Path(self.env.srcdir).glob(f"{self.text}.ipynb"))
        try:
            if not paths:
                raise ValueError(f"no notebook is called {self.text}.ipynb")
            total = sum(minutes(read_notebook(path)) for path in paths)
        except ValueError as error:
            message = self.inliner.reporter.error(
                f"{{time}}`{self.text}`: {error}", line=self.lineno
            )
            return [], [message]
        for path in paths:
            self.env.note_dependency(str(path))
        short = f"{total} min" if total < 120 else f"{total / 60:.0f} h"
        return [nodes.Text(short.replace(" ", "\N{NO-BREAK SPACE}"))], []


class ChapterFigure(Figure, SphinxDirective):
    """A figure that a chapter drew: ``chapters/03_autograd.ipynb#id-of-the-cell``.

    The picture is the first one among the stored outputs of that cell, and its
    alternative text is the one that the cell gives it. Options are those of `figure`.
    """

    def run(self):
        """Write the picture where MyST-NB writes it, and show it from there."""
        name, _, cell_id = self.arguments[0].partition("#")
        notebook = Path(self.env.srcdir, name)
        try:
            cell = next(
                cell
                for cell in read_notebook(notebook)["cells"]
                if cell["id"] == cell_id
            )
            mime, data = next(
                (mime, output["data"][mime])
                for output in cell["outputs"]
                for mime in PICTURES
                if mime in output.get("data", {})
            )
        except (FileNotFoundError, StopIteration, KeyError):
            raise self.error(
                f"{self.arguments[0]}: no such notebook, or no cell of that id in it "
                "whose stored outputs hold a picture"
            ) from None
        text = "".join(data)
        content = text.encode() if mime == "image/svg+xml" else base64.b64decode(text)

        # The same name as MyST-NB's: the page shares the file with the chapter.
        folder = Path(self.env.app.outdir).parent / "jupyter_execute"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / (hashlib.sha256(content).hexdigest() + PICTURES[mime])
        file.write_bytes(content)
        self.env.note_dependency(str(notebook))
        self.arguments[0] = "/" + os.path.relpath(file, self.env.srcdir)
        self.options.setdefault("alt", cell["metadata"]["mystnb"]["image"]["alt"])
        return super().run()


@cache
def last_changes(source):
    """Return the day of the last commit of each page, by its path below `source`.

    Nothing is known outside a git repository, and nothing true in a shallow clone,
    where all files seem to be as young as its oldest commit.
    """

    def git(*arguments):
        command = ["git", "-C", source, "-c", "core.quotepath=off", *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8"
        ).stdout

    try:
        if git("rev-parse", "--is-shallow-repository").strip() != "false":
            return {}
        log = git("log", "--format=/%cs", "--name-only", "--relative")
    except (OSError, subprocess.CalledProcessError):
        return {}
    days, day = {}, None
    for line in filter(None, log.splitlines()):
        if line.startswith("/"):
            day = line[1:]
        else:
            days.setdefault(line, day)
    return days


@cache
def tested_versions(source):
    """Return what the lock file installs of torch and fastai, as words."""
    lock = source / "requirements.txt"
    lines = lock.read_text("utf-8").splitlines() if lock.exists() else []
    pinned = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
    return [f"{name} {pinned[name]}" for name in ("torch", "fastai") if name in pinned]


def describe(doctree):
    """Return the first paragraph of a page, or as much of it as a preview shows."""
    paragraph = next(
        (
            node.astext()
            for node in doctree.findall(nodes.paragraph)
            if isinstance(node.parent, nodes.section)
        ),
        "",
    )
    text = " ".join(paragraph.split())
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[: DESCRIPTION_LENGTH - 1].rsplit(" ", 1)[0].rstrip(".,;: ") + " …"


def add_to_page(app, pagename, templatename, context, doctree):
    """Give the templates what they say about the page and about the course."""
    context["chapters"] = [
        name for name in sorted(app.env.found_docs) if name.startswith("chapters/")
    ]
    if doctree is None:
        return
    context["description"] = describe(doctree)
    # The page is written: its pictures have their addresses.
    picture = next(doctree.findall(nodes.image), None)
    if app.config.html_baseurl and picture is not None:
        context["preview"] = urljoin(context["pageurl"], picture["uri"])
        context["preview_alt"] = picture.get("alt", "")

    path = Path(app.env.doc2path(pagename))
    if path.suffix == ".ipynb":
        source = Path(app.srcdir)
        language = read_notebook(path)["metadata"].get("language_info", {})
        python = [f"Python {language['version']}"] if "version" in language else []
        context["tested_with"] = ", ".join(python + tested_versions(source))
        day = last_changes(source).get(path.relative_to(source).as_posix())
        if day:
            context["last_run"] = day
            context["last_run_in_words"] = format_date(
                "%-d %B %Y",
                date=datetime.fromisoformat(day),
                language=app.config.language,
            )


def add_not_found(app):
    """Have the page built that a server shows for an unknown address."""
    yield "404", {}, "404.html"


def finish(app, error):
    """Make the links of 404.html independent of where it is shown; map the site."""
    if error or app.builder.name != "html":
        return
    site = app.config.html_baseurl
    page = Path(app.outdir, "404.html")
    root = urlsplit(site).path or "/"
    html = RELATIVE_LINK.sub(rf'\1="{root}', page.read_text("utf-8"))
    page.write_text(html.replace(f'"{root}./', f'"{root}'), "utf-8")

    sitemap = Path(app.outdir, "sitemap.xml")
    if not site:
        sitemap.unlink(missing_ok=True)
        return
    days = last_changes(Path(app.srcdir))
    urls = ElementTree.Element("urlset", xmlns=SITEMAP)
    for name in sorted(app.env.found_docs):
        url = ElementTree.SubElement(urls, "url")
        address = urljoin(site, quote(app.builder.get_target_uri(name)))
        ElementTree.SubElement(url, "loc").text = address
        file = Path(app.env.doc2path(name)).relative_to(app.srcdir).as_posix()
        if file in days:
            ElementTree.SubElement(url, "lastmod").text = days[file]
    ElementTree.indent(urls)
    ElementTree.ElementTree(urls).write(sitemap, "utf-8", xml_declaration=True)


def configure(app, config):
    """Read from ``COURSE_SITE_URL`` where the site is published."""
    url = os.environ.get("COURSE_SITE_URL", "")
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise ConfigError(
            f"COURSE_SITE_URL is {url!r}, expected an address such as "
            "https://someone.github.io/first-tensor"
        )
    config.html_baseurl = url and url.rstrip("/") + "/"


def setup(app):
    """Register the directive, the role and the hooks."""
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_role("time", Time())
    app.connect("config-inited", configure)
    app.connect("html-page-context", add_to_page)
    app.connect("html-collect-pages", add_not_found)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
