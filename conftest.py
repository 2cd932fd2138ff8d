"""What validates the notebooks beside nbval stands in tools/pytest_course.py."""

pytest_plugins = ["tools.pytest_course"]
