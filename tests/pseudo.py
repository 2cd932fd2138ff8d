"""A language that nobody speaks: every message is longer, accented and in brackets.

Whoever finds a text by its English words does not find it there, and English that is
left shows what no translator could have reached.
"""

import re

from babel.messages.pofile import read_po, write_po
from yaml import safe_dump, safe_load

LANGUAGE = "eo"
ACCENTED = str.maketrans("aceinouyACEINOUY", "áçéíñóúýÁÇÉÍÑÓÚÝ")
# What a translator leaves as it is: code, formulas, what a link leads to, the marks of
# roles, names that a script fills in, addresses, markup and its escapes.
KEPT = re.compile(
    r"(`+[^`]*`+|\$[^$]*\$|\]\([^)]*\)|\{[^}]*\}|<[^>]*>|&#?\w+;|https?://\S+|\\.)"
)
NUMBER = re.compile(r"^(\d+\. )?(.*)$", re.S)


def strange(text):
    """Return a message as that language has it."""
    number, rest = NUMBER.match(text).groups()
    parts = KEPT.split(rest)
    parts[::2] = [part.translate(ACCENTED) for part in parts[::2]]
    longer = " ~" * (len(text.split()) // 3)
    return f"{number or ''}⟦{''.join(parts)}{longer}⟧"


def translate(catalogs, target):
    """Translate every message of catalogs; returns how many there are."""
    count = 0
    for path in catalogs.rglob("*.pot"):
        with path.open("rb") as file:
            catalog = read_po(file)
        for message in catalog:
            if message.id:
                message.string = strange(message.id)
                count += 1
        translated = target / path.relative_to(catalogs).with_suffix(".po")
        translated.parent.mkdir(parents=True, exist_ok=True)
        with translated.open("wb") as file:
            write_po(file, catalog)
    return count


def settings(source, locale):
    """Return the settings of a book, with that language and the folder of catalogs."""
    settings = safe_load((source / "_config.yml").read_text("utf-8"))
    sphinx = settings["sphinx"]
    sphinx["config"] |= {"language": LANGUAGE, "locale_dirs": [str(locale)]}
    folders = sphinx["local_extensions"]
    folders.update({name: str(source / folder) for name, folder in folders.items()})
    return safe_dump(settings, allow_unicode=True)


def build_translated(build, source, output):
    """Build a book in that language, as `build` (`conftest.py`) does in English."""
    options = ("--builder", "custom", "--custom-builder", "gettext")
    catalogs = build(source, output / "catalogs", *options) / "gettext"
    translate(catalogs, output / "locale" / LANGUAGE / "LC_MESSAGES")
    config = output / "config.yml"
    config.write_text(settings(source, output / "locale"), "utf-8")
    return build(source, output, "--config", config)
