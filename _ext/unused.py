"""Rules of style sheets that no page of this site can need are left out.

The theme brings all of Bootstrap, of which a page shows little, and every reader would
load it before seeing anything. A rule goes if it names a class that is written in no
page and in no script.
"""

import re
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import tinycss2

# What a class can be called. Scripts put some together, such as `bs-tooltip-auto`.
WORD = re.compile(r"[A-Za-z_][\w-]+")
PUT_TOGETHER = ("bs-tooltip-", "bs-popover-")
VERSION = re.compile(r"(?<=/site\.css\?v=)\w+")
NESTED = ("media", "supports")


def classes(selector):
    """Return the classes that a selector cannot match without.

    Those in parentheses, as in ``:not(.a)`` and ``:is(.a, .b)``, are no such classes.
    """
    for before, name in pairwise(selector):
        if before == "." and name.type == "ident":
            yield name.value


def is_needed(selector, words):
    """Tell whether a selector could match something on a page of these words."""
    return all(
        name in words or name.startswith(PUT_TOGETHER) for name in classes(selector)
    )


def split(tokens):
    """Split a list of selectors at its commas."""
    parts = [[]]
    for token in tokens:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def needed(rules, words):
    """Return the text of those rules that could match."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [s for s in split(rule.prelude) if is_needed(s, words)]
            if selectors:
                text = ",".join(tinycss2.serialize(s).strip() for s in selectors)
                kept.append(f"{text}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in NESTED:
            inside = tinycss2.parse_rule_list(
                rule.content, skip_comments=True, skip_whitespace=True
            )
            if text := needed(inside, words):
                prelude = tinycss2.serialize(rule.prelude)
                kept.append(f"@{rule.at_keyword}{prelude}{{{text}}}")
        else:
            kept.append(rule.serialize())
    return "\n".join(kept)


def leave_out(app, error):
    """Shorten the style sheet of the site, and tell its pages the new version."""
    style = Path(app.outdir, "_static", "site.css")
    if error or app.builder.format != "html" or not style.exists():
        return
    pages = [*Path(app.outdir).rglob("*.html")]
    scripts = Path(app.outdir, "_static").rglob("*.js")
    words = set()
    for file in (*pages, *scripts):
        words.update(WORD.findall(file.read_text("utf-8")))
    rules = tinycss2.parse_stylesheet(
        style.read_text("utf-8"), skip_comments=True, skip_whitespace=True
    )
    text = needed(rules, words)
    style.write_text(text, "utf-8")
    version = f"{crc32(text.encode()):08x}"
    for page in pages:
        old = page.read_text("utf-8")
        new = VERSION.sub(version, old)
        if new != old:
            page.write_text(new, "utf-8")


def setup(app):
    """Register the hook, behind the one that joins the style sheets (`course.py`)."""
    app.connect("build-finished", leave_out, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
