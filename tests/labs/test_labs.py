"""What holds for every lab: in the site, in a notebook, on any screen, and without."""

import gzip
import json
import re
import shutil
from io import BytesIO

import nbformat
import nbformat.v4 as nbf
import numpy as np
import pytest
import torch
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pseudo import build_translated
from rjsmin import jsmin

from helpers import labs
from helpers.labs import MIME, ROOT, Lab, lab_files, pack, show_lab, unpack
from tools.notebooks import chapters, read

NAMES = sorted(
    path.stem for path in (ROOT / "labs").glob("*.js") if path.stem not in labs.SHARED
)
PAGES = {
    output.data[MIME]["lab"]: path.stem
    for path in chapters()
    for cell in read(path).cells
    for output in cell.get("outputs", ())
    if MIME in output.get("data", {})
}
each_lab = pytest.mark.parametrize("name", NAMES)
each_page = pytest.mark.parametrize("name", sorted(PAGES))


def packed_size(*texts):
    return sum(len(gzip.compress(text.encode(), 9)) for text in texts)


def test_every_lab_is_in_a_chapter():
    assert sorted(PAGES) == NAMES


# ---- data


NUMBERS = arrays.arrays(
    st.sampled_from([*labs.INTEGERS, "float16", "float32"]).map(np.dtype),
    arrays.array_shapes(min_dims=0, min_side=0),
)


@given(NUMBERS)
def test_packed_numbers_come_back(values):
    there = unpack(json.loads(json.dumps(pack({"a": [values]}))))["a"][0]
    assert there.shape == values.shape
    np.testing.assert_array_equal(there, values)


def test_packed_numbers_are_small():
    kinds = {
        "uint8": [torch.tensor([0, 255]), torch.tensor([True]), torch.tensor([])],
        "int8": [torch.tensor([-128, 127])],
        "int16": [torch.tensor([-1, 128])],
        "int32": [torch.tensor([-(2**31), 2**31 - 1]), torch.tensor(2**15)],
        "float32": [torch.tensor([0.1]), torch.tensor(0.1, dtype=torch.float64)],
        "float16": [torch.tensor([0.1]).half()],
    }
    kinds["float32"].append(kinds["uint8"].pop())  # an empty tensor is one of floats
    for kind, tensors in kinds.items():
        assert {pack(tensor)["dtype"] for tensor in tensors} == {kind}
    assert pack((1, "a", None, 2.5, True)) == [1, "a", None, 2.5, True]
    assert pack(torch.ones(2, requires_grad=True))["shape"] == [2]


def test_what_a_page_cannot_read_is_refused():
    with pytest.raises(TypeError, match="data: .* got complex64"):
        pack({"a": torch.tensor([1j])})
    with pytest.raises(TypeError, match="data: .* got object"):
        pack({"a": object()})
    with pytest.raises(ValueError, match="data: .* got up to 2147483648"):
        pack([torch.tensor([0, 2**31])])


def test_a_page_reads_what_is_packed(page):
    half = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.float16)
    values = {
        "half": half[torch.isfinite(half)],
        "odd": half[~torch.isfinite(half)],
        "deep": [{"numbers": torch.tensor([[-1, 300]])}, "word", None],
        "single": torch.tensor([0.1, 1e-40, 3e38]),
        "bytes": torch.tensor([0, 255]),
        "signed": torch.tensor([-128, 127]),
        "wide": torch.tensor([2**31 - 1, -(2**31)]),
    }
    page.goto("about:blank")
    page.add_script_tag(path=ROOT / "labs" / "page.js")
    there = page.evaluate(
        """(data) => {
          const {odd, deep, ...others} = labs.unpack(data);
          for (const name in others) others[name] = [...others[name]];
          const [{numbers}, ...rest] = deep;
          return {
            ...others,
            odd: [...odd].map(String),
            deep: [[...numbers], numbers.shape, ...rest],
          };
        }""",
        pack(values),
    )
    for name in ("half", "single", "bytes", "signed", "wide"):
        assert there[name] == values[name].double().tolist()
    assert there["deep"] == [[-1, 300], [1, 2], "word", None]
    words = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
    assert there["odd"] == [words[str(value)] for value in values["odd"].tolist()]


def test_a_stored_output_holds_no_script(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show_lab("boundary", live=False, points=torch.ones(2))
    show_lab("boundary", live=True, words="</script>")
    stored, live = (lab._repr_mimebundle_() for lab in shown)
    assert set(stored) == {MIME, "text/plain"}
    assert stored[MIME]["data"] == pack({"points": torch.ones(2)})
    assert live["text/html"].count("</script>") == 1


def test_an_unknown_lab_is_refused():
    with pytest.raises(ValueError, match="name: expected one of boundary, .* 'border'"):
        show_lab("border")


# ---- in a notebook


@each_page
def test_no_lab_is_heavy(name, raw):
    scripts, styles = lab_files(name)
    code = packed_size(*(jsmin(path.read_text("utf-8")) for path in scripts))
    assert code < 12_000
    others = (*(path.read_text("utf-8") for path in styles), json.dumps(raw(name)))
    assert code + packed_size(*others) < 150_000
    load = (ROOT / "labs" / "load.js").read_text("utf-8")
    assert packed_size(jsmin(load)) < 1_000


@each_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_lab_is_for_everyone(name, theme, lab):
    page = lab(name, theme=theme, reduced_motion="reduce")
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for folded in page.locator(".lab details").all():
        folded.evaluate("(details) => details.open = true")
    page.evaluate(AXE_SCRIPT)
    found = AxeResults(page.evaluate("axe.run('.lab')"))
    assert found.violations_count == 0, found.generate_report()
    assert page.locator(".lab [role=status]").count() == 1
    assert not problems


@each_page
def test_a_lab_fits_a_phone(name, lab):
    page = lab(name, width=320)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    small = page.evaluate(
        """() => [...document.querySelectorAll(
          ".lab :is(button, input, select, summary)")].filter((element) => {
            const {width, height} = element.getBoundingClientRect();
            return width && height && (width < 24 || height < 24) &&
              !(element.labels?.[0]?.getBoundingClientRect().height >= 24);
          }).map((element) => element.outerHTML)"""
    )
    assert not small


@each_page
def test_every_control_works_by_key(name, lab):
    page = lab(name, reduced_motion="reduce")
    page.evaluate(
        """() => {
          window.reached = new Set();
          addEventListener("focusin", ({target}) => {
            const {outlineStyle} = getComputedStyle(
              target.matches("fieldset > label > input")
                ? target.nextElementSibling : target);
            reached.add(target);
            if (outlineStyle === "none") (window.unseen ??= []).push(target.outerHTML);
          });
        }"""
    )
    count = page.locator(".lab :is(button, input, select, summary, [tabindex])").count()
    for _ in range(count + 2):
        page.keyboard.press("Tab")
    missed = page.evaluate(
        """() => [...document.querySelectorAll(
            ".lab :is(button, input, select, summary)")]
          .filter((element) => element.checkVisibility() && !element.disabled)
          .filter((element) => !(element.type === "radio" &&
            [...reached].some(({name}) => name && name === element.name)))
          .filter((element) => !reached.has(element))
          .map((element) => element.outerHTML)"""
    )
    assert not missed
    assert not page.evaluate("window.unseen ?? []")


@each_page
def test_a_lab_opens_with_something_to_see(name, lab):
    page = lab(name)
    box = page.locator(".lab").screenshot()
    colours = Image.open(BytesIO(box)).convert("RGB").getcolors(2**24)
    assert len(colours) > 50
    assert page.inner_text(".lab .lab-title").strip()


@each_page
def test_a_lab_follows_the_theme(name, lab):
    page = lab(name, theme="light", reduced_motion="reduce")
    ground = page.evaluate("getComputedStyle(document.querySelector('.lab')).color")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert ground != page.evaluate(
        "getComputedStyle(document.querySelector('.lab')).color"
    )


# ---- in the site


def open_page(page, address):
    """Open a page, and note what is asked for and what goes wrong."""
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda note: note.type == "error" and problems.append(note.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    return asked, problems


def open_chapter(page, address, name):
    """Open a lab's chapter at its top."""
    return open_page(page, f"{address}/chapters/{PAGES[name]}.html")


def scroll_to(page, name):
    """Bring the place of a lab into view."""
    page.evaluate(
        """(name) => {
          const place = document.querySelector(`[data-lab=${name}]`);
          place.parentElement.scrollIntoView({behavior: "instant"});
        }""",
        name,
    )


@each_page
@pytest.mark.parametrize("served", [True, False], ids=["http", "file"])
def test_a_lab_opens_when_it_comes_near(name, served, page, site, serve):
    address = serve(site) if served else site.as_uri()
    asked, problems = open_chapter(page, address, name)
    page.wait_for_load_state()
    before = {url.split("/labs/")[1] for url in asked if "/_static/labs/" in url}
    assert {file.split("?")[0] for file in before} == {"load.js"}
    scroll_to(page, name)
    page.wait_for_selector(f"[data-lab={name}][data-open]")
    page.wait_for_load_state("networkidle")
    assert not problems
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


@each_page
def test_without_scripts_a_lab_is_not_there(name, new_context, site):
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{site.as_uri()}/chapters/{PAGES[name]}.html")
    place = page.locator(f"[data-lab={name}]")
    assert place.count() == 1
    assert not place.is_visible()


@each_page
def test_on_paper_a_lab_is_not_there(name, page, site):
    open_chapter(page, site.as_uri(), name)
    scroll_to(page, name)
    page.wait_for_selector(f"[data-lab={name}][data-open]")
    page.emulate_media(media="print")
    assert not page.locator(f"[data-lab={name}]").is_visible()
    page.emulate_media(media="screen")


@pytest.mark.parametrize("lost", ["labs.css", "page.js", "boundary.js", "boundary-"])
def test_a_lost_file_takes_the_lab_and_nothing_else(lost, page, site, serve):
    page.route(f"**/labs/{lost}*", lambda route: route.abort())
    _, problems = open_chapter(page, serve(site), "boundary")
    page.evaluate("addEventListener('unhandledrejection', () => window.unhandled = 1)")
    scroll_to(page, "boundary")
    page.wait_for_selector("[data-lab=boundary]", state="detached")
    assert not page.evaluate("window.unhandled")
    assert all("ERR_FAILED" in problem for problem in problems)
    assert page.locator("article img").count() > 5
    page.unroute_all()


def test_the_landing_page_opens_with_a_lab(page, site, serve):
    _, problems = open_page(page, f"{serve(site)}/index.html")
    page.wait_for_selector(".lab[data-open]")
    assert page.locator(".lab").bounding_box()["y"] < 600
    page.click(".lab [data-part=run]")
    page.wait_for_function(
        """() => {
          const [epoch, right] = ["epoch", "test"].map((name) =>
            document.querySelector(`.lab [data-part=${name}]`).textContent);
          return Number(epoch.replace(",", "")) >= 1000 && Number(right) > 90;
        }"""
    )
    page.click(".lab [data-part=run]")
    assert "test points are right" in page.inner_text(".lab [role=status]")
    assert not problems


def test_nothing_covers_a_lab_in_use(new_context, site, serve):
    page = new_context(viewport={"width": 360, "height": 700}).new_page()
    page.goto(f"{serve(site)}/index.html")
    page.wait_for_selector(".lab[data-open]")
    for to in (900, 700):  # upwards: the theme offers the way to the top
        page.evaluate("(to) => scrollTo({top: to, behavior: 'instant'})", to)
        page.wait_for_timeout(300)
    up = page.locator("#pst-back-to-top")
    up.wait_for(state="visible")
    page.evaluate("document.querySelector('.lab input').focus({preventScroll: true})")
    up.wait_for(state="hidden")
    page.evaluate("document.activeElement.blur()")
    up.wait_for(state="visible")


@pytest.mark.parametrize("width", [320, 412, 640, 1280])
def test_the_place_of_the_first_lab_is_kept(width, new_context, site, serve):
    page = new_context(viewport={"width": width, "height": 900}).new_page()
    page.route("**/labs/boundary*.js*", lambda route: None)  # they take long
    page.goto(f"{serve(site)}/index.html", wait_until="commit")
    kept = page.wait_for_selector(".lab", state="attached").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{serve(site)}/index.html")
    page.wait_for_selector(".lab[data-open]")
    assert page.locator(".lab").bounding_box()["height"] == pytest.approx(kept, abs=12)


# ---- elsewhere


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """Write a book with the smallest lab."""
    source = tmp_path_factory.mktemp("with_a_lab")
    for name in ("_config.yml", "_ext", "_static", "_templates", "_vendor", "tools"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n  - file: page\n"
    )
    (source / "index.md").write_text("# A book\n")
    bundle = Lab("boundary", {"made": 1}, live=False)._repr_mimebundle_()
    cell = nbf.new_code_cell(
        "show_lab('boundary', made=1)", outputs=[nbf.new_output("display_data", bundle)]
    )
    kernel = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    page = nbf.new_notebook(cells=[nbf.new_markdown_cell("# Page"), cell])
    page.metadata.update(kernel)
    nbformat.write(page, source / "page.ipynb")
    return source


@pytest.mark.machinery
@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_formats_leave_a_lab_out(builder, sample, build, tmp_path):
    options = ("--builder", "custom", "--custom-builder", builder)
    built = build(sample, tmp_path, *options) / builder
    texts = [
        path.read_text("utf-8")
        for path in built.rglob("*")
        if path.suffix in {".txt", ".tex"}
    ]
    assert sum(text.count("made") for text in texts) == 1  # in the cell
    assert not any("run this cell" in text for text in texts)


@pytest.mark.machinery
def test_the_words_of_a_lab_are_translated(sample, build, tmp_path):
    build_translated(build, sample, tmp_path)
    page = (tmp_path / "_build" / "html" / "page.html").read_text("utf-8")
    [inside] = re.findall(r"<template>(.*?)</template>", page, re.S)
    markup = BeautifulSoup(inside, "html.parser")
    words = [text.strip() for text in markup.find_all(string=True) if text.strip()]
    for tag in markup.find_all(True):
        names = ("aria-label", "data-say", "data-label", "data-start", "data-other")
        words += [tag[name] for name in names if tag.get(name)]
    names = {"ReLU", "tanh", "sigmoid", ":", "%"}  # as in PyTorch's documentation
    english = [text for text in words if "⟦" not in text and text not in names]
    assert len(words) > 20
    assert not english
