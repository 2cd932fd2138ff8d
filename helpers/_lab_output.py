"""What MyST-NB makes of the output of `show_lab`: the place of a lab in a page.

MyST-NB finds the plugin by an entry point (pyproject.toml), so it stands in a package;
`_ext/labs.py` writes the place.
"""

import json

from docutils import nodes
from myst_nb.core.render import MimeRenderPlugin

from helpers.labs import MIME


class lab(nodes.General, nodes.Element):
    """The place of a lab: its name, and its data as JSON."""


class LabOutput(MimeRenderPlugin):
    """Turn the output of `show_lab` into the place of a lab."""

    mime_priority_overrides = (("*", MIME, 1),)

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the place, or None for an output of another kind."""
        if data.mime_type != MIME or inline:
            return None
        text = json.dumps(data.content["data"], separators=(",", ":"))
        return [lab(name=data.content["lab"], data=text)]
