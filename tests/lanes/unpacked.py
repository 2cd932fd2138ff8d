"""The zip that the site offers can be built, and translated: a part of ``make pseudo``.

Every page is read there, without a repository. That takes as long as the site itself.
"""

from test_publish import PAGES, offered

__all__ = ["offered"]


def test_an_unpacked_course_can_be_built_and_translated(build, offered, tmp_path):
    options = ("--builder", "custom", "--custom-builder", "gettext")
    built = build(offered, tmp_path, *options)
    for name in PAGES:
        assert (built / "gettext" / f"{name}.pot").is_file()
