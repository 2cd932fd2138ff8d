"""What the site tells of itself: its address, and when and with what each page was run.

Previews of links, the site map and the page for unknown addresses are the work of
sphinxext-opengraph, sphinx-sitemap and sphinx-notfound-page. The environment variable
``COURSE_SITE_URL`` (for example ``https://OWNER.github.io/NAME``) tells them where the
site is published; without it there is no site map, and previews name no host.
"""

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from sphinx.errors import ConfigError
from sphinx.util.i18n import format_date


def configure(app, config):
    """Read from ``COURSE_SITE_URL`` where the site is published."""
    url = os.environ.get("COURSE_SITE_URL", "")
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise ConfigError(
            f"COURSE_SITE_URL is {url!r}, expected an address such as "
            "https://someone.github.io/first-tensor"
        )
    config.html_baseurl = config.ogp_site_url = url and url.rstrip("/") + "/"
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path or "/"


@cache
def tested_versions(source):
    """Return what the lock file installs of torch and fastai, as words."""
    lock = source / "requirements.txt"
    lines = lock.read_text("utf-8").splitlines() if lock.exists() else []
    pinned = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
    return [f"{name} {pinned[name]}" for name in ("torch", "fastai") if name in pinned]


def add_to_page(app, pagename, templatename, context, doctree):
    """Tell the templates which pages are chapters, and when and with what one ran."""
    context["chapters"] = [
        name for name in sorted(app.env.found_docs) if name.startswith("chapters/")
    ]
    if doctree is None or not app.env.doc2path(pagename).endswith(".ipynb"):
        return
    notebook = nbformat.read(app.env.doc2path(pagename), nbformat.NO_CONVERT)
    language = notebook.metadata.get("language_info", {})
    python = [f"Python {language['version']}"] if "version" in language else []
    context["tested_with"] = ", ".join(python + tested_versions(Path(app.srcdir)))
    # By sphinx-last-updated-by-git: nothing outside a repository or in a shallow clone.
    time, _ = app.env.git_last_updated.get(pagename) or (None, None)
    if time:
        day = datetime.fromtimestamp(int(time), UTC).date()
        context["last_run"] = day.isoformat()
        context["last_run_in_words"] = format_date(
            "%-d %B %Y", date=day, language=app.config.language
        )


def setup(app):
    """Register the hooks."""
    # Before sphinx-notfound-page looks at what is set here.
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", add_to_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
