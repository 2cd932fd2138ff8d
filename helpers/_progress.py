"""Whether progress bars are drawn: for people, never into stored outputs."""

import os
import sys


def watched():
    """Tell whether a person sees a progress bar as it moves."""
    asked = os.environ.get("COURSE_PROGRESS")
    if asked in {"0", "1"}:
        return asked == "1"
    # Jupyter Server names the notebook to its kernels; nbconvert and nbval do not.
    notebook = "JPY_SESSION_NAME" in os.environ or "COLAB_RELEASE_TAG" in os.environ
    return notebook or sys.stderr.isatty()
