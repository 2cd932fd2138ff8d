"""Old addresses lead to the new ones.

Pages that moved are sphinx-reredirects' work (`redirects` in `_config.yml`); it keeps
what stands after the ``#``. A chapter that was cut in two has some of its sections in
the other half: `HALVES` names it, and a line of script goes there when the first half
is asked for one of them.
"""

import json

from docutils import nodes

HALVES = {
    "chapters/02_tensors": "chapters/03_tensor_operations",
    "chapters/06_classification": "chapters/07_classes_and_metrics",
    "chapters/08_computer_vision": "chapters/09_convolutional_networks",
    "chapters/11_custom_datasets": "chapters/12_improving_a_model",
}


def anchors(app, name):
    """Return the anchors of a page's sections."""
    sections = app.env.get_doctree(name).findall(nodes.section)
    return {anchor for section in sections for anchor in section["ids"]}


def add_to_page(app, pagename, templatename, context, doctree):
    """Tell a first half where its other sections are."""
    other = HALVES.get(pagename)
    if doctree is None or other not in app.env.found_docs:
        return
    gone = sorted(anchors(app, other) - anchors(app, pagename))
    go = f"location.replace({json.dumps(context['pathto'](other))} + location.hash)"
    asked = "decodeURIComponent(location.hash.slice(1))"
    app.add_js_file(None, body=f"if ({json.dumps(gone)}.includes({asked})) {go}")


def setup(app):
    """Register the hook."""
    app.connect("html-page-context", add_to_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
