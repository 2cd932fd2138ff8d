"""Addresses that people have kept lead to where their sections are now."""

from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

pytestmark = pytest.mark.machinery

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
MOVED = CONFIG["sphinx"]["config"]["redirects"]
# An address from before, and where its section is: on the page that took its place, in
# the second half of a chapter that was cut, in the half that kept its name.
PLACES = {
    "04_workflow.html#training": "05_workflow.html#training",
    "05_classification.html#training": "06_classification.html#training",
    "05_classification.html#four-classes": "07_classes_and_metrics.html#four-classes",
    "02_tensors.html#broadcasting": "03_tensor_operations.html#broadcasting",
    "02_tensors.html#exercises": "02_tensors.html#exercises",
    "13_four_ways.html": "17_four_ways.html",
}


def test_a_page_takes_the_place_of_each_that_moved(site):
    for old, new in MOVED.items():
        html = BeautifulSoup((site / f"{old}.html").read_text("utf-8"), "html.parser")
        assert html.a["href"] == new
        assert not (ROOT / f"{old}.ipynb").exists()
        name = f"chapters/{new.removesuffix('.html')}"
        assert (ROOT / f"{name}.ipynb").exists()
        assert (site / f"{name}.html").exists()


@pytest.mark.parametrize("served", [True, False], ids=["server", "file"])
@pytest.mark.parametrize(("old", "new"), PLACES.items())
def test_an_old_address_leads_to_its_section(page, serve, site, old, new, served):
    base = f"{serve(site) if served else site.as_uri()}/chapters"
    page.goto(f"{base}/{old}")
    page.wait_for_url(f"{base}/{new}")
    if anchor := new.partition("#")[2]:
        assert page.locator(f"[id='{anchor}']").count() == 1


def test_without_javascript_a_page_that_moved_leads_on(new_context, serve, site):
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    base = f"{serve(site)}/chapters"
    page.goto(f"{base}/12_lightning.html")
    page.wait_for_url(f"{base}/16_lightning.html")
