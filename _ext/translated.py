"""What translators get to see, and what their words must not break.

Sphinx puts translated messages in the place of English ones before anything else looks
at a page. Sections keep their English ids, so links, what readers have done and the
list of sections are the same in every language.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.locale import _
from sphinx.locale import init as init_locale
from sphinx.transforms import SphinxTransform
from sphinx.util.i18n import docname_to_domain

NUMBER = re.compile(r"^(\d+)(?=\. )")


class Messages(SphinxTransform):
    """Give translators messages that they can translate."""

    default_priority = 10  # before sphinx.transforms.i18n.Locale, at 20

    def apply(self, **kwargs):
        """Make messages of what Sphinx would leave out, or could not put back."""
        # A message that begins with a number is read as a list, and not as a title.
        for title in self.document.findall(nodes.title):
            title.rawsource = NUMBER.sub(r"\1\\", title.rawsource)
        for text in self.document.findall(nodes.paragraph):
            # MyST does not say where cells of a table in a directive come from.
            if text.rawsource and not text.source:
                text.source, text.line = self.document["source"], text.parent.line or 0
            # The words of a picture are a message of their own. Its path is none: a
            # translated one would be looked for below the page.
            if len(text) == 1 and isinstance(text[0], nodes.image):
                text["translatable"] = False
        # Sphinx takes links to two places of a page for links to one, the last: it puts
        # what it knows of the English ones over the translated ones.
        for link in self.document.findall(addnodes.pending_xref):
            if "reftargetid" in link:
                link["english_targetid"] = link.attributes.pop("reftargetid")


class Links(SphinxTransform):
    """Let each link lead to its own place: see `Messages`."""

    default_priority = 21  # after sphinx.transforms.i18n.Locale

    def apply(self, **kwargs):
        """Give the anchor back to links that are not translated."""
        for link in self.document.findall(addnodes.pending_xref):
            if "english_targetid" in link:
                link.setdefault("reftargetid", link["english_targetid"])
                del link["english_targetid"]


class Captions(SphinxTransform):
    """Translate the names of parts, which come into a page after Sphinx's turn."""

    default_priority = 101  # after sphinx_external_toc.events.InsertToctrees

    def apply(self, **kwargs):
        """Look them up among the messages of the page that lists them."""
        folders = [str(self.env.srcdir / name) for name in self.config.locale_dirs]
        domain = docname_to_domain(self.env.docname, self.config.gettext_compact)
        catalog, _found = init_locale(folders, self.config.language, domain)
        for toctree in self.document.findall(addnodes.toctree):
            if caption := toctree.get("caption"):
                toctree["caption"] = catalog.gettext(caption)


def keep_slugs(app, doctree):
    """Keep the anchors of a page's headings.

    MyST reads a translated heading as a page, and forgets those of the page itself.
    """
    if slugs := getattr(doctree, "myst_slugs", None):
        app.env.metadata[app.env.docname]["myst_slugs"] = slugs


def show_words(app):
    """Set words that are settings of MyST-NB, in the language of the book."""
    if app.builder.format == "html":
        words = app.builder.templates.environment.get_template("reader.html").module
        app.env.mystnb_config = app.env.mystnb_config.copy(
            code_prompt_show=str(words.show_code()),
            code_prompt_hide=str(words.hide_code()),
        )


def show_search(app, pagename, templatename, context, doctree):
    """Set the words of the search field, which are a setting of the theme."""
    context["theme_search_bar_text"] = _("Search the course")


def setup(app):
    """Register the transforms and the hooks."""
    app.add_transform(Messages)
    app.add_transform(Links)
    app.add_transform(Captions)
    # Before terms are added to the anchors (`lookup.py`).
    app.connect("doctree-read", keep_slugs, priority=400)
    # After MyST-NB has read its settings.
    app.connect("builder-inited", show_words, priority=600)
    app.connect("html-page-context", show_search)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
