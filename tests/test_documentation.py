"""Ways into the documentation: names lead to their pages, terms say what they mean.

A small book is built in a language that no reader has, so that its definitions come
from a translated glossary.
"""

import re
from urllib.parse import urlsplit

import nbformat.v4 as nbf
import pytest
from bs4 import BeautifulSoup
from pseudo import LANGUAGE, settings
from test_reader import write_book

from tools.documentation import (
    Chapter,
    collect,
    link_code,
    link_prose,
    load,
    look_up,
)

FASTAI = "from fastai.vision.all import *"
TORCH = "import torch\nfrom torch import nn\nimport torch.nn.functional as F"
LINEAR = look_up("torch.nn.Linear").page


def notebook(*cells):
    """Return a notebook: cells that begin with a hash or are named are prose."""
    made = []
    for i, source in enumerate(cells):
        prose = source.startswith("#") or "`" in source
        new = nbf.new_markdown_cell if prose else nbf.new_code_cell
        made.append(new(source, id=f"cell-{i}"))
    return nbf.new_notebook(cells=made)


def meant(text, *code, known=look_up):
    chapter = Chapter(notebook(*code), known)
    here = chapter.by_end(use for source in code for use in chapter.uses(source))
    return chapter.meant(text, here)


# --- the table -----------------------------------------------------------------------


def test_table_holds_what_the_chapters_use():
    written, needed = load(), collect()
    hint = "run: python -m tools.documentation"
    missing = {name for name in needed if written.get(name) != needed[name]}
    assert not missing, f"missing or changed; {hint}"
    stale = written.keys() - needed
    assert not stale, f"in no chapter any more; {hint}"


def test_pages_are_official():
    hosts = {urlsplit(entry.page).netloc for entry in load().values()}
    assert hosts == {
        "docs.fast.ai",
        "docs.pytorch.org",
        "lightning.ai",
        "scikit-learn.org",
    }


@pytest.mark.parametrize(
    ("name", "page"),
    [
        # Seen in the documentation's own sources, one for each rule.
        ("torch.nn.Linear", "docs/stable/generated/torch.nn.Linear.html"),
        ("torch.Tensor.item", "docs/stable/generated/torch.Tensor.item.html"),
        ("torch.optim.SGD.step", "docs/stable/generated/torch.optim.SGD.html#"),
        ("torch.optim.Optimizer.step", "generated/torch.optim.Optimizer.step.html"),
        ("torch.nn.Linear.eval", "generated/torch.nn.Module.html#torch.nn.Module.eval"),
        ("torch.utils.data.DataLoader", "/data.html#torch.utils.data.DataLoader"),
        ("torch.inference_mode", "torch.autograd.grad_mode.inference_mode.html"),
        ("torchvision.models.ResNet18_Weights", "torchvision.models.resnet18.html#"),
        ("torchvision.transforms.v2.Resize", "torchvision.transforms.v2.Resize.html"),
        ("fastai.vision.all.nn.Linear", "docs/stable/generated/torch.nn.Linear.html"),
        ("fastai.learner.Learner.lr_find", "/callback.schedule.html#learner.lr_find"),
        (
            "lightning.LightningModule",
            "api/lightning.pytorch.core.LightningModule.html",
        ),
        ("torchmetrics.F1Score", "classification/f1_score.html#torchmetrics.F1Score"),
        ("sklearn.datasets.make_moons", "generated/sklearn.datasets.make_moons.html"),
    ],
)
def test_name_has_its_page(name, page):
    assert page in look_up(name).page


@pytest.mark.parametrize(
    "name",
    [
        "torch.nn",  # a module
        "torch.float32",  # neither a function nor a class
        "torch.no_such_thing",
        "torch._C.Generator",  # private
        "fastai.vision.all.Path",  # of another library
        "fastai.vision.all.show_batch",  # chosen by the types of its arguments
        "pandas.DataFrame",
    ],
)
def test_name_has_no_page(name):
    assert look_up(name) is None


# --- what a name stands for ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("nn.Linear(2, 1)", TORCH, "torch.nn.Linear"),
        ("nn.Linear", "import math", "torch.nn.Linear"),
        ("F.relu", TORCH, "torch.nn.functional.relu"),
        ("torch.nn.Linear", "import math", "torch.nn.Linear"),
        ("Loader", "from torch.utils.data import DataLoader as Loader", "DataLoader"),
        ("DataLoader", FASTAI, "fastai.vision.all.DataLoader"),
        ("Learner.fit_one_cycle", FASTAI, "Learner.fit_one_cycle"),
        (
            "fine_tune(1)",
            f"{FASTAI}\nlearn = vision_learner()\nlearn.fine_tune(2)",
            "fine_tune",
        ),
        (
            "loss.backward()",
            f"{TORCH}\nloss = F.relu(torch.ones(1))",
            "torch.Tensor.backward",
        ),
        (
            "model.eval()",
            f"{TORCH}\nmodel = nn.Linear(1, 1).to('cpu')",
            "torch.nn.Module.eval",
        ),
        ("step()", f"{TORCH}\nby = torch.optim.SGD([])\nby.step()", "Optimizer.step"),
        (".item()", f"{TORCH}\ntorch.ones(1).sum().item()", "torch.Tensor.item"),
        ("CrossEntropyLoss", TORCH, "torch.nn.CrossEntropyLoss"),
        ("no_grad", f"{TORCH}\nwith torch.no_grad(): pass", "torch.no_grad"),
        (
            "self.log",
            "import lightning as L\nclass A(L.LightningModule): pass",
            "LightningModule.log",
        ),
    ],
)
def test_name_is_understood(text, code, name):
    assert meant(text, code).endswith(name)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SGD", f"{TORCH}\nclass SGD: pass\ntorch.optim.SGD"),  # the chapter's own
        ("Learner", f"{FASTAI}\nclass Learner: pass"),
        ("torch.ones", "torch = 1"),
        ("Linear", TORCH),  # of what?
        ("loss.backward()", "loss = model(x)"),
        ("x.item()", f"{TORCH}\nimport numpy as np\nx = np.ones(1)"),
        ("mean()", f"{TORCH}\ntorch.mean(x)\ntorch.ones(1).mean()"),  # of two things
        ("float", f"{TORCH}\ntorch.ones(1).float()"),  # Python's
        ("device", f"{TORCH}\ntorch.device('cpu')\nf(device=1)"),  # an argument
        ("tensor([5])", f"{TORCH}\ntorch.tensor([5])"),  # an output
        ("Accuracy", "from helpers.training import Accuracy"),
        ("nn.Linear and more", TORCH),
        ("torch.ones(1).no_such_thing()", TORCH),
        ("a[", TORCH),
    ],
)
def test_name_is_left_alone(text, code):
    assert not meant(text, code)


def test_uses_have_their_places():
    source = f"{TORCH}\n'é'; layer = nn.Linear(\n  1, 1)\nlayer(torch.ones(1)).sum()"
    chapter = Chapter(notebook(source), look_up)
    uses = [(use.name, source[use.start : use.end]) for use in chapter.uses(source)]
    assert uses == [
        ("torch.nn.Linear", "nn.Linear"),
        ("torch.ones", "torch.ones"),
        ("torch.Tensor.sum", "sum"),
    ]


def test_plain_notebook_links_once_a_section():
    cells = ["# `nn.Linear`", TORCH, "A `nn.Linear`, `nn.Linear`, [`nn.Linear`](a.md)."]
    prose = link_prose(
        notebook(*cells, ":::{note}\n`nn.Linear`\n:::\n\n## B\n`nn.Linear`")
    )
    link = f"[`nn.Linear`]({LINEAR})"
    assert prose["cell-0"] == cells[0]
    assert prose["cell-2"] == f"A {link}, `nn.Linear`, [`nn.Linear`](a.md)."
    assert prose["cell-3"] == f":::{{note}}\n`nn.Linear`\n:::\n\n## B\n{link}"


# --- the site ------------------------------------------------------------------------

GLOSSARY = """\
# Glossary

{.glossary}

tensor
: 张量.
  An array of numbers of one [type](../chapters/01_page.ipynb#second), such as $x^2$.
  [Chapter 2](../chapters/01_page.ipynb)

gradient
: The slope.
"""
TRANSLATED = """\
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "张量. An array of numbers of one \
[type](../chapters/01_page.ipynb#second), such as $x^2$. \
[Chapter 2](../chapters/01_page.ipynb)"
msgstr "张量. Nombroj de unu [tipo](../chapters/01_page.ipynb#second), kiel $x^2$. \
[Ĉapitro 2](../chapters/01_page.ipynb)"
"""
TERM = "../appendix/glossary.md#term-"
CODE = (
    "layer = nn.Linear(1, 1)  # <a> & “b”\n"
    "total = layer(torch.ones(1)).sum()\n"
    "print(f'{torch.ones(1)!r}', total)"
)
CELLS = [
    nbf.new_markdown_cell("# A page\n\nNames."),
    nbf.new_code_cell(f"{TORCH}\nfrom helpers.training import accuracy"),
    nbf.new_markdown_cell(
        "## First `nn.ReLU`\n\n"
        f"A [tensor]({TERM}tensor), [tensors]({TERM}tensor), [slope]({TERM}gradient).\n"
        "`torch.ones` and `torch.ones(3)`, `x`, `accuracy`, [`nn.Tanh`](#second).\n\n"
        ":::{note}\n`nn.Sigmoid`\n:::\n\n"
        ":::{dropdown} Folded `nn.Softmax`\n`nn.GELU`\n:::\n\n"
        ":::{admonition} Guess\n:class: predict\nWhat is it?\n\n- `nn.Tanh`\n:::\n"
    ),
    nbf.new_code_cell(CODE),
    nbf.new_markdown_cell("Text."),
    nbf.new_code_cell("assert torch.zeros(1)", metadata={"tags": ["proof"]}),
    nbf.new_markdown_cell(
        f"### Second\n\n`torch.ones` again. [A tensor]({TERM}tensor)"
    ),
]


@pytest.fixture(scope="session")
def html(build, tmp_path_factory):
    """Return the folder of the small book's HTML."""
    folder = tmp_path_factory.mktemp("documentation")
    source = write_book(folder / "source", CELLS, "# A book\n")
    (source / "appendix").mkdir()
    (source / "appendix" / "glossary.md").write_text(GLOSSARY, "utf-8")
    with (source / "_toc.yml").open("a") as toc:
        toc.write("      - file: appendix/glossary\n")
    messages = folder / "locale" / LANGUAGE / "LC_MESSAGES" / "appendix"
    messages.mkdir(parents=True)
    (messages / "glossary.po").write_text(TRANSLATED, "utf-8")
    config = folder / "config.yml"
    config.write_text(settings(source, folder / "locale"), "utf-8")
    return build(source, folder / "built", "--config", config) / "html"


@pytest.fixture(scope="session")
def soup(html):
    page = html / "chapters" / "01_page.html"
    return BeautifulSoup(page.read_text("utf-8"), "html.parser")


def names_linked(part):
    """List the names that link to documentation, by the last part of their page."""
    links = part.select("a.documentation")
    return [(a.text, re.split("[/#]", a["href"])[-1]) for a in links]


def test_first_use_in_a_section_is_a_link(soup):
    second = soup.select_one("#second").extract()
    assert names_linked(second) == [("torch.ones", "torch.ones.html")]
    assert names_linked(soup.select_one("article")) == [
        ("torch.ones", "torch.ones.html"),
        ("nn.Sigmoid", "torch.nn.Sigmoid.html"),
        ("nn.Linear", "torch.nn.Linear.html"),
        ("sum", "torch.Tensor.sum.html"),
    ]


def test_code_stays_what_it_is(soup):
    blocks = [pre.get_text() for pre in soup.select(".cell_input pre")]
    assert f"{CODE}\n" in blocks


def test_link_cuts_no_tag():
    html = '<span></span>a<span class="o">.</span>b &lt;<span class="s">c d</span>\n'
    link = '<a class="documentation" href="p">'
    for start, end, expected in [
        (0, 3, f'{link}<span></span>a<span class="o">.</span>b</a> &lt;'),
        (4, 5, f"b {link}&lt;</a><"),
        (5, 6, html),
        (5, 8, f'{link}<span class="s">c d</span></a>\n'),
    ]:
        made = link_code(html, [("p", start, end)])
        assert expected in made
        assert re.sub("<.*?>", "", made) == re.sub("<.*?>", "", html)


def test_link_takes_in_the_mark_of_a_decorator():
    html = '<span class="nd">@torch</span><span class="o">.</span>no_grad()\n'
    made = link_code(html, [("p", 1, 14)])
    assert made.startswith('<a class="documentation" href="p"><span class="nd">@torch')
    assert made.endswith("no_grad</a>()\n")


def test_definition_is_there_once_and_translated(soup):
    ids = [tag["id"] for tag in soup.select("[id]")]
    assert len(ids) == len(set(ids))
    tips = {tip["id"]: tip for tip in soup.select("[role=tooltip]")}
    assert tips.keys() == {"term-tensor-defined", "term-gradient-defined"}
    assert all(tip.has_attr("hidden") for tip in tips.values())
    tensor = tips["term-tensor-defined"]
    assert tensor.get_text().startswith("Nombroj de unu tipo, kiel ")
    assert tensor.select(".katex")
    assert not tensor.select("a")
    assert tips["term-gradient-defined"].get_text() == "The slope."


def test_script_is_where_terms_are(html):
    with_terms = {
        path.name
        for path in html.rglob("*.html")
        if re.search(r"<script[^>]*terms\.js", path.read_text("utf-8"))
    }
    assert with_terms == {"01_page.html"}


@pytest.fixture
def tips(page, html):
    """Open the page where it was unpacked; return its link, and what that shows."""
    page.goto(f"{html.as_uri()}/chapters/01_page.html")
    page.wait_for_function("document.querySelector('body > .definitions')")
    return page.locator("a[href*='#term-']").first, page.locator("#term-tensor-defined")


def test_pointer_shows_what_a_term_means(page, tips):
    link, tip = tips
    link.hover()
    tip.wait_for(state="visible")
    # One may go over to it, and stay there.
    tip.hover()
    page.evaluate("() => new Promise((done) => setTimeout(done, 400))")
    assert tip.is_visible()
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    link.hover()
    tip.wait_for(state="visible")
    page.mouse.move(0, 0)
    tip.wait_for(state="hidden")


def test_keyboard_shows_what_a_term_means(page, tips):
    link, tip = tips
    link.focus()
    tip.wait_for(state="visible")
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    tip.wait_for(state="visible")
    page.emulate_media(media="print")
    assert not tip.is_visible()
    page.emulate_media(media="screen")
    page.keyboard.press("Tab")  # to the same term
    assert tip.is_visible()
    page.keyboard.press("Tab")
    tip.wait_for(state="hidden")
    page.locator("#term-gradient-defined").wait_for(state="visible")


def test_definition_stays_within_a_phone(page, tips):
    page.set_viewport_size({"width": 360, "height": 640})
    link, tip = tips
    link.evaluate("link => link.style.marginLeft = '12rem'")
    link.focus()
    box, place = tip.bounding_box(), link.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] >= place["y"] or box["y"] + box["height"] <= place["y"] + 1
    assert page.evaluate("document.documentElement.scrollWidth") == 360


EXPLAINING = (".definitions", ".documentation", "[aria-describedby]")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_links_and_definitions_can_be_read(page, tips, mode):
    from axe_playwright_python.sync_playwright import Axe

    link, _ = tips
    page.emulate_media(color_scheme=mode, reduced_motion="reduce")
    page.wait_for_function(f"document.documentElement.dataset.theme === '{mode}'")
    link.focus()
    found = Axe().run(
        page,
        {"include": [[one] for one in EXPLAINING]},
        {"resultTypes": ["violations", "passes"]},
    )
    assert not found.violations_count, found.generate_report()
    checked = next(r for r in found.response["passes"] if r["id"] == "color-contrast")
    assert len(checked["nodes"]) > 5
