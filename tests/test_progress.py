"""Progress bars are for people who watch."""

import sys

import pytest

from helpers._progress import watched


@pytest.mark.parametrize(("asked", "shown"), [("0", False), ("1", True)])
def test_progress_on_demand(monkeypatch, asked, shown):
    monkeypatch.setenv("COURSE_PROGRESS", asked)
    assert watched() is shown


def test_progress_where_a_person_watches(monkeypatch):
    for name in ("COURSE_PROGRESS", "JPY_SESSION_NAME", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert not watched()
    monkeypatch.setenv("JPY_SESSION_NAME", "chapter.ipynb")
    assert watched()
