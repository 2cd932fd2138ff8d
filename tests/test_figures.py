"""The drawings that explain: plain files, one look, legible when small, in use."""

import re
from xml.etree import ElementTree

import lightning
import nbformat
import pytest
import torch
from fastai.basics import Callback, DataLoaders, Learner, TrainEvalCallback, mse
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from tools.notebooks import ROOT, notebooks

DRAWINGS = sorted(ROOT.glob("figures/*.svg"))
# What only a browser shows: another program's window.
SCREENSHOTS = sorted(ROOT.glob("figures/*.png"))
PAGES = [*notebooks(), ROOT / "index.md", *sorted(ROOT.glob("appendix/*.md"))]
PHONE = 328  # pixels that a page has for a picture on a phone 360 wide

SVG = "{http://www.w3.org/2000/svg}"
# What a drawing may hold. Nothing here can load, run or colour anything.
ELEMENT = re.compile("svg|title|style|marker|g|path|rect|circle|text|tspan")
ATTRIBUTE = re.compile(
    "role|width|height|viewBox|id|class|x|y|rx|cx|cy|r|d|refX|refY|marker[A-Z]\\w+|orient"
)

RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
COLOUR = re.compile(r"#[0-9a-f]{3}(?:[0-9a-f]{3})?\b")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]*figures/[^)\s]+)\)")
SOMEWHERE = re.compile(r"figures/[\w-]+\.(?:svg|png)")

each_drawing = pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)


def parsed(path):
    return ElementTree.fromstring(path.read_text("utf-8"))


def style_of(path):
    return parsed(path).find(f"{SVG}style").text


def rules(text):
    """Map selectors to what a part of a style sheet declares for them."""
    found = {}
    for selectors, body in RULE.findall(text):
        pairs = (line.split(":", 1) for line in body.split(";") if ":" in line)
        declared = {name.strip(): value.strip() for name, value in pairs}
        for selector in selectors.split(","):
            found.setdefault(selector.strip(), {}).update(declared)
    return found


def modes(path):
    """Return the rules of a drawing in light and in dark mode."""
    light, dark = re.fullmatch(
        r"(.*)@media \(prefers-color-scheme: dark\) \{(.*)\}\s*", style_of(path), re.S
    ).groups()
    light, dark = rules(light), rules(dark)
    return light, {name: light[name] | dark.get(name, {}) for name in light}


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(d * 2 for d in colour[1:])
    shares = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Return the contrast of two colours as WCAG defines it, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.005)


@each_drawing
def test_drawing_is_a_plain_file(path):
    assert path.stat().st_size <= 12_000
    # What tells the site its size knows a drawing by this.
    assert path.read_text("utf-8").startswith("<svg ")
    root = parsed(path)
    assert root.get("role") == "img"
    assert len(root.find(f"{SVG}title").text.split()) >= 4
    for element in root.iter():
        assert ELEMENT.fullmatch(element.tag.removeprefix(SVG)), element.tag
        assert all(map(ATTRIBUTE.fullmatch, element.attrib)), element.attrib
    style = style_of(path)
    assert "@" not in style.replace("@media (prefers-color-scheme: dark)", "")
    assert set(re.findall(r"url\([^)]*\)", style)) <= {"url(#tip)"}
    used = {name for e in root.iter() for name in e.get("class", "").split()}
    assert used <= {selector.removeprefix(".") for selector in rules(style)}


@each_drawing
def test_page_keeps_the_place_of_a_drawing(path):
    root = parsed(path)
    left, top, wide, high = map(float, root.get("viewBox").split())
    assert (left, top, wide) == (0, 0, 360)
    assert root.get("width") == "450"
    assert int(root.get("height")) == pytest.approx(high * 450 / wide, abs=0.5)


@each_drawing
def test_drawings_have_one_look(path):
    for name in "style", "marker":
        first, this = (parsed(file).find(SVG + name) for file in (DRAWINGS[0], path))
        assert ElementTree.tostring(this) == ElementTree.tostring(first)
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = re.search(r"^## Drawings\n(.*?)^## ", guide, re.M | re.S)[1]
    assert set(COLOUR.findall(style_of(path))) == set(COLOUR.findall(section))


@each_drawing
def test_words_of_a_drawing_are_read_on_a_phone(path):
    sizes = re.findall(r"\b(\d+)px", style_of(path))
    wide = float(parsed(path).get("viewBox").split()[2])
    assert min(map(int, sizes)) * PHONE / wide >= 11


@each_drawing
def test_colours_of_a_drawing_can_be_told_apart(path):
    light, dark = modes(path)
    for mode in light, dark:
        grounds = {
            rule["fill"]
            for rule in mode.values()
            if COLOUR.match(rule.get("fill", "")) and "stroke" in rule
        }
        words = {
            rule["fill"]
            for rule in mode.values()
            if COLOUR.match(rule.get("fill", "")) and "stroke" not in rule
        }
        # The frame of the whole is an ornament.
        strokes = {
            rule["stroke"]
            for name, rule in mode.items()
            if "stroke" in rule and name != ".ground"
        }
        assert min(map(len, (grounds, words, strokes))) >= 3
        for ground in grounds:
            assert all(contrast(word, ground) >= 4.5 for word in words)
            assert all(contrast(stroke, ground) >= 3 for stroke in strokes)
    for name, rule in light.items():
        for key, colour in rule.items():
            if COLOUR.match(colour):
                assert dark[name][key] != colour, f"{name} has no dark {key}"
    # What is warm is known by its thicker line, too.
    assert float(light[".warm"]["stroke-width"]) > float(light[".cool"]["stroke-width"])


# Words that touch each other, leave the drawing, or cross the edge of a box.
CROWDED = """
() => {
  const frame = document.querySelector(".ground").getBBox();
  const words = [...document.querySelectorAll("text")].map((text) => {
    const {x, y, width, height} = text.getBBox();
    // A line of text has air above and below its letters.
    const bottom = y + height - 2;
    return {text: text.textContent, x, y: y + 2, right: x + width, bottom};
  });
  const boxes = [...document.querySelectorAll("rect, circle")].map((box) => {
    const {x, y, width, height} = box.getBBox();
    return {x, y, right: x + width, bottom: y + height};
  });
  const meet = (a, b) =>
    a.x < b.right && b.x < a.right && a.y < b.bottom && b.y < a.bottom;
  const within = (a, b) =>
    a.x >= b.x && a.right <= b.right && a.y >= b.y && a.bottom <= b.bottom;
  const problems = [];
  words.forEach((word, i) => {
    if (word.x < 12 || word.right > frame.width - 12)
      problems.push(`near the edge: ${word.text}`);
    for (const other of words.slice(i + 1))
      if (meet(word, other)) problems.push(`${word.text} meets ${other.text}`);
    for (const box of boxes)
      if (meet(word, box) && !within(word, box))
        problems.push(`across the edge of a box: ${word.text}`);
  });
  return problems;
}
"""


@each_drawing
def test_words_of_a_drawing_have_room(page, path):
    page.goto(path.as_uri())
    assert not page.evaluate(CROWDED)


def test_words_without_room_are_found(page, tmp_path):
    bad = tmp_path / "bad.svg"
    bad.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 200">'
        '<rect class="ground" width="360" height="200" fill="none"/>'
        '<rect x="20" y="80" width="60" height="30" fill="none"/>'
        '<text x="2" y="20">edge</text>'
        '<text x="100" y="60">one</text><text x="110" y="62">two</text>'
        '<text x="60" y="100">crossing</text></svg>'
    )
    page.goto(bad.as_uri())
    assert page.evaluate(CROWDED) == [
        "near the edge: edge",
        "one meets two",
        "across the edge of a box: crossing",
    ]


@pytest.mark.parametrize("path", SCREENSHOTS, ids=lambda path: path.stem)
def test_a_screenshot_is_small_and_framed(path):
    assert path.stat().st_size <= 40_000  # a page's first visit has 300 kB in all
    with Image.open(path) as file:
        shot = file.convert("RGB")
    wide, high = shot.size
    assert 1000 <= wide <= 1300, "as sharp as a page of 650 pixels can show it"
    edge = {shot.getpixel((x, y)) for x in range(wide) for y in (0, high - 1)}
    edge |= {shot.getpixel((x, y)) for x in (0, wide - 1) for y in range(high)}
    assert len(edge) == 1, "no frame of one colour"
    # The frame is seen on light pages and on dark ones.
    frame = "#{:02x}{:02x}{:02x}".format(*edge.pop())
    assert all(contrast(frame, ground) >= 2 for ground in ("#ffffff", "#121212"))


def told_by_a_learner():
    """List what happens in one epoch of one batch for training and for validation."""
    said = []

    class Diary(Callback):
        def __call__(self, event):
            said.append(event)

    class Told(Learner):
        def _backward(self):
            said.append("backward")
            super()._backward()

        def _step(self):
            said.append("step")
            super()._step()

    def loss_func(pred, target):
        said.append("loss_func")
        return mse(pred, target)

    loader = DataLoader(TensorDataset(torch.ones(2, 1), torch.ones(2, 1)), 2)
    model = torch.nn.Linear(1, 1)
    model.register_forward_hook(lambda *_: said.append("model"))
    dls = DataLoaders(loader, loader, device="cpu")
    learn = Told(dls, model, loss_func, cbs=TrainEvalCallback, default_cbs=False)
    learn.create_opt()
    zero_grad = learn.opt.zero_grad
    learn.opt.zero_grad = lambda: (said.append("zero_grad"), zero_grad())
    learn.fit(1, cbs=Diary())
    return said


def told_by_a_trainer():
    """List what happens in a fit of one epoch with a batch for each kind of step."""
    said = []

    class Told(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch):
            said.append("training_step")
            return mse(self.layer(batch[0]), batch[1])

        def validation_step(self, batch):
            said.append("validation_step")

        def backward(self, loss):
            said.append("backward")
            super().backward(loss)

        def configure_optimizers(self):
            said.append("configure_optimizers")
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            optimizer.register_step_post_hook(lambda *_: said.append("step"))
            return optimizer

        def optimizer_zero_grad(self, *arguments):
            said.append("zero_grad")
            super().optimizer_zero_grad(*arguments)

    def tell(name):
        def hook(module, *_):
            if not module.trainer.sanity_checking:
                said.append(name)

        return hook

    for name in DRAWN_HOOKS:
        setattr(Told, name, tell(name))
    loader = DataLoader(TensorDataset(torch.ones(2, 1), torch.ones(2, 1)), 2)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Told(), loader, loader)
    return said


DRAWN_HOOKS = [
    f"on_{what}_{moment}"
    for what in ("fit", "train_epoch", "train_batch", "validation_epoch")
    for moment in ("start", "end")
]


def drawn(name):
    """List the words of a drawing that are set as code, from top to bottom."""
    words = parsed(ROOT / "figures" / f"{name}.svg").iter(f"{SVG}text")
    code = [word for word in words if "code" in word.get("class")]
    return [word.text for word in sorted(code, key=lambda word: float(word.get("y")))]


def test_a_learner_does_what_is_drawn():
    assert drawn("learner_events") == told_by_a_learner()


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated")
@pytest.mark.filterwarnings("ignore:.*is smaller than the logging interval")
def test_a_trainer_does_what_is_drawn():
    assert drawn("lightning_hooks") == told_by_a_trainer()


def prose(path):
    """Return a page's Markdown."""
    if path.suffix == ".md":
        return path.read_text("utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


def used_in(path, source):
    """List the drawings that a page shows as (file, alt text), once they are sound.

    Raises
    ------
    AssertionError
        If one is shown in another way than as an image, is not there, or has an alt
        text that says little.
    """
    found = IMAGE.findall(source)
    assert len(found) == len(SOMEWHERE.findall(source)), "not shown as an image"
    for alt, link in found:
        there = (path.parent / link).resolve() in {*DRAWINGS, *SCREENSHOTS}
        assert there, f"{link} leads nowhere"
        assert len(alt) >= 40, f"says little: {alt}"
        assert len(set(alt.split())) >= 8, f"says little: {alt}"
        assert alt.endswith("."), f"is no sentence: {alt}"
        assert not re.match(
            r"(?i)(an? )?(image|figure|drawing|diagram|screenshot)\b", alt
        ), alt
    return [((path.parent / link).resolve(), alt) for alt, link in found]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_drawings_on_a_page_are_there_and_told(path):
    used_in(path, prose(path))


@pytest.mark.parametrize("path", DRAWINGS + SCREENSHOTS, ids=lambda path: path.stem)
def test_every_drawing_is_used(path):
    shown = {file for page in PAGES for file, _ in used_in(page, prose(page))}
    assert path in shown


GOOD = "The five steps of training follow one another, and the last leads to the first."


@pytest.mark.parametrize(
    "source",
    [
        "![](../figures/training_loop.svg)",
        "![The loop.](../figures/training_loop.svg)",
        f"![{'step ' * 12}.](../figures/training_loop.svg)",
        f"![{GOOD[:-1]}](../figures/training_loop.svg)",
        f"![Figure: {GOOD}](../figures/training_loop.svg)",
        f"![{GOOD}](../figures/gone.svg)",
        f"![{GOOD}](../figures/gone.png)",
        f"![{GOOD}](figures/training_loop.svg)",
        f'<img src="../figures/training_loop.svg" alt="{GOOD}">',
    ],
)
def test_a_drawing_shown_badly_is_found(source):
    chapter = ROOT / "chapters" / "some.ipynb"
    good = f"![{GOOD}](../figures/training_loop.svg)"
    assert used_in(chapter, good) == [(ROOT / "figures" / "training_loop.svg", GOOD)]
    with pytest.raises(AssertionError):
        used_in(chapter, source)
