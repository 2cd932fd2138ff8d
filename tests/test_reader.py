"""What readers do inside a page: proofs fold, predictions wait, questions answer.

A small book is built twice: in English, and in a language whose words are all strange.
Both pass the same tests, so that nothing is recognised by a word. The chapters follow
the rules that make it work.
"""

import ast
import re
import shutil
import unicodedata
from itertools import pairwise

import nbformat.v4 as nbf
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import write as write_notebook
from pseudo import build_translated, strange
from test_site import NOT_REACHED, WATCH_FOCUS
from test_site import check as check_soundness

from tools.notebooks import ROOT, chapters, code_cells, read, sections, tags

# --- the chapters --------------------------------------------------------------------

# Of a hundred lines of code in view, asserts are at most so many.
SHARE = 3
ASSERTS = re.compile(r"([\w.]+\.)?assert_\w+$")
PREDICT = re.compile(
    r"^(:{3,})\{admonition\} Predict, then run\n(.*?)^\1$", re.M | re.S
)
QUESTION = re.compile(r"^\*\*Question \d+\.\*\*", re.M)
CHOICE = re.compile(r"^(:{3,})\{dropdown\} [A-Z]\. .*?\n(.*?)^\1$", re.M | re.S)
RIGHT = re.compile(r"\A:class-container: right$", re.M)
VERDICT = re.compile(r"\A(:class-container: right\n)?(Yes|No)\b[.,]", re.M)


def is_assert(statement):
    """Tell whether a statement of code only holds a fact."""
    return isinstance(statement, ast.Assert) or (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and ASSERTS.match(ast.unparse(statement.value.func)) is not None
    )


def parsed(cell):
    """Parse a cell's code, magics included."""
    return ast.parse(TransformerManager().transform_cell(cell.source))


def share_of_asserts(notebook):
    """Return how many of a hundred lines of code in view are asserts."""
    asserts = lines = 0
    for cell in code_cells(notebook):
        if "proof" not in tags(cell):
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
            asserts += sum(
                node.end_lineno - node.lineno + 1
                for node in ast.walk(parsed(cell))
                if is_assert(node)
            )
    return 100 * asserts / max(lines, 1)


def names(cell):
    """Return the names that a cell gives values, and the others that it uses."""
    given, used = set(), set()
    for node in ast.walk(parsed(cell)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else given).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, ast.alias):
            given.add((node.asname or node.name).partition(".")[0])
    return given, used - given


def faults_of_proof(notebook):
    """List what is wrong with the proofs of a notebook."""
    faults, from_proofs = [], set()
    for cell in code_cells(notebook):
        given, used = names(cell)
        if "proof" in tags(cell):
            from_proofs |= given
            continue
        # Who copies the code in view has to get what the page shows.
        if leans := used & from_proofs:
            faults.append(f"{cell.id} uses what a proof has assigned: {leans}")
        from_proofs -= given
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
        if not hidden and all(map(is_assert, parsed(cell).body)):
            faults.append(f"{cell.id}: asserts alone belong in a proof")
    share = share_of_asserts(notebook)
    if share > SHARE:
        faults.append(f"{share:.1f} % of the code in view are asserts, not {SHARE} %")
    return faults


def faults_of_predictions(notebook):
    """List what is wrong with the predictions of a notebook."""
    faults = []
    for group in sections(notebook):
        asked = [
            (i, inside)
            for i, cell in enumerate(group)
            for _, inside in PREDICT.findall(cell.source)
            if cell.cell_type == "markdown"
        ]
        for (here, inside), (following, _) in pairwise([*asked, (len(group), "")]):
            name = group[here].id
            if not inside.startswith(":class: predict\n"):
                faults.append(f"{name}: a prediction of another class than predict")
            if all(cell.cell_type != "code" for cell in group[here:following]):
                faults.append(f"{name}: a prediction, and nothing is run")
    return faults


def faults_of_questions(notebook):
    """List what is wrong with the questions of a notebook."""
    faults = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for asked in QUESTION.split(cell.source)[1:]:
            choices = [inside for _, inside in CHOICE.findall(asked)]
            if sum(bool(RIGHT.search(inside)) for inside in choices) != 1:
                faults.append(f"{cell.id}: not one right choice of {len(choices)}")
            if any(VERDICT.search(inside) for inside in choices):
                faults.append(f"{cell.id}: the page says Yes and No by itself")
    return faults


RULES = {
    "proof": faults_of_proof,
    "predictions": faults_of_predictions,
    "questions": faults_of_questions,
}


def topic(path):
    return path.stem.partition("_")[2]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", chapters(), ids=topic)
def test_chapter_follows_the_rules(path, rule):
    assert not RULES[rule](read(path))


@pytest.mark.parametrize("path", chapters(), ids=topic)
def test_proofs_are_folded_in_jupyterlab_too(path):
    for cell in code_cells(read(path)):
        if "proof" in tags(cell):
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.id
            assert any(is_assert(node) for node in ast.walk(parsed(cell))), cell.id


def one_cell(source, **metadata):
    return nbf.new_notebook(cells=[nbf.new_code_cell(source, metadata=metadata)])


def proof_of(given, first):
    """Return code that gives one name a value, and a proof that does so too."""
    proof = nbf.new_code_cell(f"{given} = 1\nassert {given}")
    proof.metadata["tags"] = ["proof"]
    return nbf.new_code_cell(f"{first} = 1"), proof


def one_text(*blocks, run=None):
    cells = [nbf.new_markdown_cell("\n\n".join(blocks))]
    return nbf.new_notebook(cells=cells + ([nbf.new_code_cell(run)] if run else []))


LONG = "x = 1\n" * 97
ASK = "**Question 1.** Which?"
RIGHT_A = ":::{dropdown} A. This\n:class-container: right\nSo.\n:::"
WRONG_A = ":::{dropdown} A. This\nSo.\n:::"
WRONG_B = ":::{dropdown} B. That\nNot so.\n:::"
PREDICTION = ":::{admonition} Predict, then run\n:class: predict\nA?\n:::"


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        ("proof", one_cell("x = 1\nx"), one_cell("assert x == 1\nassert y")),
        (
            "proof",
            one_cell("assert x", tags=["proof"]),
            one_cell("torch.testing.assert_close(\n    x, y\n)"),
        ),
        (
            "proof",
            one_cell(LONG + "assert x\n" * 3),
            one_cell(LONG + "if x:\n    assert x\n" * 4),
        ),
        (
            "proof",
            nbf.new_notebook(cells=[*proof_of("close", "x"), nbf.new_code_cell("x")]),
            nbf.new_notebook(cells=[*proof_of("x", "x"), nbf.new_code_cell("x")]),
        ),
        (
            "predictions",
            one_text(PREDICTION, run="x"),
            one_text(PREDICTION.replace("predict\n", "tip\n"), run="x"),
        ),
        (
            "predictions",
            one_text(PREDICTION, run="x"),
            one_text(PREDICTION),
        ),
        *(
            ("questions", one_text(ASK, RIGHT_A, WRONG_B), one_text(ASK, *choices))
            for choices in (
                [WRONG_A, WRONG_B],
                [RIGHT_A, RIGHT_A],
                [RIGHT_A.replace("So.", "Yes.\nSo."), WRONG_B],
                [RIGHT_A, WRONG_B.replace("Not", "No, not")],
            )
        ),
    ],
)
def test_faults_of_a_chapter_are_found(rule, right, wrong):
    assert not RULES[rule](right)
    assert RULES[rule](wrong)


# --- a small book --------------------------------------------------------------------

CHOOSE = """\
## Which way?

Here is a list.

:::{admonition} Predict, then run
:class: predict
Which is larger?

- the *first*
- `second`
- neither
:::"""
QUESTIONS = """\
**Question 2.** Two.

:::{dropdown} A. This
:class-container: right
Because.
:::

:::{dropdown} B. That
Why not.
:::

**Question 3.** Three.

:::{dropdown} A. This
Why not.
:::

:::{dropdown} B. That
:class-container: right
Because.
:::
"""


def markdown(source, cell):
    return nbf.new_markdown_cell(source, id=cell)


def code(source, cell, output="", **metadata):
    outputs = [nbf.new_output("stream", name="stdout", text=output)] if output else []
    return nbf.new_code_cell(source, id=cell, outputs=outputs, metadata=metadata)


FOLDED = {"tags": ["proof"], "jupyter": {"source_hidden": True}}
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"/>'
CELLS = [
    markdown("# A page\n\nIt begins.", "title"),
    markdown(CHOOSE, "which"),
    code("first, second = 1, 2", "run", "secret one\n"),
    code("assert first < second", "proof-1", **FOLDED),
    code("assert second", "proof-2", **FOLDED),
    markdown("Secret two.\n\n:::{note}\n:name: inside\nSecret three.\n:::", "reading"),
    code("print('secret four')", "more", "secret five\n"),
    markdown(
        ":::{admonition} Predict, then run\n:class: predict\nHow many?\n:::", "how-many"
    ),
    nbf.new_code_cell(
        "draw()",
        id="draw",
        outputs=[nbf.new_output("display_data", {"image/svg+xml": FIGURE})],
        metadata={"tags": ["hide-input"], "mystnb": {"image": {"alt": "Secret six."}}},
    ),
    markdown("Secret seven.", "drawn"),
    markdown(
        "## Next\n\nIn the open.\n\n"
        ":::{dropdown} Coming from another tutorial?\n:class-container: elsewhere\n"
        "They say otherwise.\n:::",
        "next",
    ),
    code("assert first", "proof-3", **FOLDED),
    markdown("## Check\n\nQuestions follow.", "check"),
    markdown(
        "**Question 1.** Which?\n\n"
        ":::{dropdown} A. This\nWhy not.\n:::\n\n"
        ":::{dropdown} B. That `code`\n:class-container: right\nBecause.\n:::\n\n"
        ":::{dropdown} C. A choice of so many words that a phone breaks the line\n"
        "Why not.\n:::",
        "one",
    ),
    markdown(QUESTIONS, "two"),
    markdown(
        "## 1. Exercise\n\n:::{exercise} Fill in\n:label: ex-fill\n\n"
        "| what comes | and then |\n|---|---|\n| a word | more |\n:::",
        "numbered",
    ),
    markdown("## End\n\nIt ends.", "end"),
]


INDEX = """\
# A book

[The page](chapters/01_page.ipynb#which-way), and [its end](chapters/01_page.ipynb#end).

```{include} pictures/card.md
:relative-images:
```
"""


def write_book(source, cells, index=INDEX):
    """Write a book with the course's settings, of one page and a start page."""
    for name in ("_ext", "_static", "_templates", "_vendor", "tools"):
        shutil.copytree(ROOT / name, source / name)
    shutil.copy(ROOT / "_config.yml", source)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - caption: The only part\n"
        "    chapters:\n      - file: chapters/01_page\n"
    )
    (source / "index.md").write_text(index)
    (source / "pictures").mkdir()
    (source / "pictures" / "card.md").write_text("![A flat card.](card.svg)\n")
    (source / "pictures" / "card.svg").write_text(FIGURE)
    kernel = {"name": "python3", "display_name": "Python 3"}
    lexer = {"name": "python", "pygments_lexer": "ipython3"}
    notebook = nbf.new_notebook(
        metadata={"kernelspec": kernel, "language_info": lexer}, cells=cells
    )
    (source / "chapters").mkdir()
    write_notebook(notebook, source / "chapters" / "01_page.ipynb")
    return source


@pytest.fixture(scope="session", params=[False, True], ids=["english", "translated"])
def html(request, build, tmp_path_factory):
    """Return the folder of the small book's HTML, in each of the two languages."""
    folder = tmp_path_factory.mktemp("reader")
    source = write_book(folder / "source", CELLS)
    make = build_translated if request.param else build_plainly
    return make(build, source, folder / "built") / "html"


def build_plainly(build, source, output):
    return build(source, output)


@pytest.fixture(params=["server", "file"])
def address(request, html, serve):
    """Return the address of the page, from a server and from where it was unpacked."""
    base = serve(html) if request.param == "server" else html.as_uri()
    return f"{base}/chapters/01_page.html"


@pytest.fixture
def served(html, serve):
    return f"{serve(html)}/chapters/01_page.html"


WHICH, HOW_MANY = "page/which", "page/how-many"


def box(page, key):
    return page.locator(f'[data-prediction="{key}"]')


def note(page, key):
    return page.locator(f'[data-note="{key}"]')


def question(page, key):
    return page.locator(f'[data-question="{key}"]')


def seen(page):
    """Return what can be seen of each answer's parts, and of what is in the open."""
    text = page.evaluate(
        """() => {
          const isSeen = (element) =>
            element.checkVisibility({contentVisibilityAuto: false});
          const text = [...document.querySelectorAll(
            "article p, article pre, article details, article img"
          )];
          return text
            .filter((element) => isSeen(element))
            .map((element) => element.alt ?? element.textContent)
            .join("\\n").toLowerCase();
        }"""
    )
    # In the other language, letters have accents.
    letters = unicodedata.normalize("NFD", text)
    return "".join(one for one in letters if unicodedata.category(one) != "Mn")


ALL_SECRETS = {"one", "two", "three", "four", "five", "six", "seven"}
OF_WHICH = {"one", "two", "three", "four", "five"}


def secrets(page):
    """Return which of the secrets can be seen."""
    return set(re.findall(r"secret (\w+)", seen(page)))


def kept(page, kind, key):
    value = page.evaluate("([kind, key]) => courseMemory.get(kind, key)", [kind, key])
    return value


def has_focus(locator):
    return locator.evaluate("element => element === document.activeElement")


def is_translated(page):
    return page.evaluate("document.documentElement.lang") == "eo"


def test_only_translated_words_are_shown(page, served):
    page.goto(served)
    words = page.evaluate(
        """() => [...document.querySelectorAll(
          ".proof > summary, .guess label, .guess button, .guess-note span, " +
          ".guess-note button, .verdict, .score button, .elsewhere > summary, " +
          ".all-answers > button"
        )].map((element) => element.textContent.trim())
          .concat([...document.querySelectorAll(".guess-note, .score, [data-hide]")]
            .flatMap(({dataset: {note, ...words}}) => Object.values(words)))"""
    )
    assert len(words) == 2 + 2 + 4 + 7 + 1 + 1 + 4 + 1 + 2
    for word in words:
        assert word
        assert (word[0] == "⟦" and word[-1] == "⟧") == is_translated(page), word


def test_nothing_is_left_for_a_translator(page, served):
    page.goto(served)
    say = strange if is_translated(page) else str
    text = page.locator("body").evaluate("body => body.textContent")
    for message in (
        "Predict, then run",
        "A page",
        r"1\. Exercise",
        "Fill in",
        "what comes",
        "a word",
        "The only part",
        "Show code cell source",
        "A. This",
    ):
        assert say(message).replace("\\", "") in text, message
    field = page.locator("input[type=search]").first
    assert field.get_attribute("placeholder") == say("Search the course")
    assert page.locator("article .cell_output img").get_attribute("alt") == say(
        "Secret six."
    )
    page.goto(served.replace("chapters/01_page", "index"))
    picture = page.locator("article img")
    assert picture.get_attribute("alt") == say("A flat card.")
    assert picture.evaluate("image => image.decode().then(() => true)")


def test_anchors_are_those_of_the_source(page, served):
    """In every language: links, and what readers have done, depend on them."""
    page.goto(served)
    ids = page.locator("article section").evaluate_all("all => all.map(e => e.id)")
    expected = ["a-page", "which-way", "next", "check", "exercise", "end"]
    assert [
        name for name in ids if name and not name.startswith("exercise-")
    ] == expected
    page.goto(served.replace("chapters/01_page", "index"))
    links = page.locator("article p > a").evaluate_all("all => all.map(a => a.hash)")
    assert links == ["#which-way", "#end"]


def test_an_answer_waits_for_a_choice(page, address):
    page.goto(address)
    assert not secrets(page)
    text = seen(page)
    for shown in ("it begins", "first, second = 1, 2", "in the open", "it ends"):
        assert shown in text

    buttons = box(page, WHICH).locator("button")
    assert buttons.count() == 3
    buttons.nth(1).click()
    assert secrets(page) == OF_WHICH
    assert kept(page, "prediction", WHICH) == {"guess": None, "choice": 1}
    assert note(page, WHICH).locator("strong code").inner_text() == "second"
    pressed = [button.get_attribute("aria-pressed") for button in buttons.all()]
    assert pressed == ["false", "true", "false"]
    assert note(page, WHICH).locator("[role=status]").count() == 1

    page.reload()
    assert secrets(page) == OF_WHICH
    assert note(page, WHICH).locator("strong code").inner_text() == "second"

    note(page, WHICH).locator("button").click()
    assert not secrets(page)
    assert kept(page, "prediction", WHICH) is None
    buttons.nth(2).click()
    assert kept(page, "prediction", WHICH) == {"guess": None, "choice": 2}


def test_an_answer_waits_for_words(page, address):
    page.goto(address)
    box(page, HOW_MANY).locator("input").fill("  7 <b>& more</b>")
    box(page, HOW_MANY).locator("button").click()
    assert secrets(page) == {"six", "seven"}
    guess = "7 <b>& more</b>"
    assert kept(page, "prediction", HOW_MANY) == {"guess": guess, "choice": None}
    page.reload()
    assert note(page, HOW_MANY).locator("strong").inner_text() == guess
    assert not box(page, HOW_MANY).locator("form").is_visible()


def test_a_guess_is_quoted_without_its_full_stop(page, served):
    page.goto(served)
    box(page, HOW_MANY).locator("input").fill("About 3.5.")
    box(page, HOW_MANY).locator("button").click()
    assert note(page, HOW_MANY).locator("strong").inner_text() == "About 3.5"
    assert ".." not in note(page, HOW_MANY).inner_text()


def test_nobody_has_to_guess(page, served):
    page.goto(served)
    box(page, HOW_MANY).locator("button").click()
    assert secrets(page) == {"six", "seven"}
    assert kept(page, "prediction", HOW_MANY) == {"guess": None, "choice": None}
    assert not note(page, HOW_MANY).locator("strong").count()
    assert "{" not in note(page, HOW_MANY).inner_text()


def test_the_keyboard_does_it_all(page, address):
    page.goto(address)
    box(page, WHICH).locator("button").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert kept(page, "prediction", WHICH)["choice"] == 1
    assert has_focus(note(page, WHICH))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert not secrets(page)
    assert has_focus(box(page, WHICH).locator("button").first)

    page.keyboard.press("Shift+Tab")
    while not has_focus(box(page, HOW_MANY).locator("input")):
        page.keyboard.press("Tab")
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    assert kept(page, "prediction", HOW_MANY)["guess"] == "8"
    assert has_focus(note(page, HOW_MANY))

    first = question(page, "page/one").locator("summary").first
    first.focus()
    page.keyboard.press("Enter")
    assert kept(page, "question", "page/one") == {"choice": 0, "right": False}
    page.locator(".score button").focus()
    page.keyboard.press("Enter")
    assert has_focus(first)


def test_the_focus_is_seen_and_reaches_everything(page, served):
    page.goto(served, wait_until="networkidle")
    page.evaluate(WATCH_FOCUS)
    left = page.evaluate(NOT_REACHED)
    for _ in range(2 * len(left)):
        page.keyboard.press("Tab")
    assert not page.evaluate(NOT_REACHED)
    assert not page.evaluate("unseen")


def test_a_screen_reader_is_told_what_changed_and_nothing_else(page, served):
    page.goto(served)
    page.evaluate(
        """() => {
          window.told = [];
          const watcher = new MutationObserver((changes) => {
            for (const {target} of changes)
              told.push(target.closest("[role=status]").parentElement.className);
          });
          for (const region of document.querySelectorAll("article [role=status]"))
            watcher.observe(region, {childList: true, subtree: true});
        }"""
    )
    box(page, WHICH).locator("button").first.click()
    assert page.evaluate("told") == ["guess-note pst-js-only answered"]
    question(page, "page/one").locator("summary").first.click()
    assert page.evaluate("told.length") == 2
    box(page, HOW_MANY).locator("button").click()
    assert page.evaluate("told.length") == 3


def test_answers_are_hidden_before_anything_is_painted(page, served):
    page.goto(served)
    page.evaluate(
        "courseMemory.set('prediction', 'page/how-many', {guess: null, choice: null})"
    )
    # Scripts that wait for the page to be read wait for this one.
    held = []
    page.route("**/page.js*", lambda route: held.append(route))
    page.goto(served, wait_until="commit")
    page.wait_for_function("document.readyState === 'interactive'")
    assert secrets(page) == {"six", "seven"}
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    page.wait_for_load_state()
    assert secrets(page) == {"six", "seven"}


def test_all_is_shown_without_scripts(new_context, served):
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served)
    assert secrets(page) == ALL_SECRETS
    assert page.locator(".predict .choices li").first.is_visible()
    for made_for_scripts in (
        ".guess",
        ".guess-note",
        ".score",
        ".predict button",
        ".all-answers",
    ):
        for found in page.locator(made_for_scripts).all():
            assert not found.is_visible()
    choice = question(page, "page/one").locator("details").nth(1)
    assert not choice.locator(".verdict").is_visible()
    choice.locator("summary").click()
    assert choice.locator(".verdict").is_visible()
    assert choice.locator(".sd-card-text").is_visible()
    proof = page.locator("details.proof").first
    proof.locator("summary").click()
    assert proof.locator("pre").first.is_visible()


def test_all_is_shown_where_the_script_is_lost(page, served):
    page.route("**/reader.js*", lambda route: route.abort())
    page.goto(served)
    assert secrets(page) == ALL_SECRETS


def test_paper_shows_all_but_proofs(page, served):
    page.goto(served)
    page.emulate_media(media="print")
    assert secrets(page) == ALL_SECRETS
    for absent in (".guess", ".guess-note", ".score", ".proof", ".all-answers"):
        assert page.locator(absent).count()
        for found in page.locator(absent).all():
            assert not found.is_visible()
    page.emulate_media(media="screen")
    assert not secrets(page)

    # Explanations are opened for the print; nobody has chosen anything.
    page.evaluate(
        """addEventListener("beforeprint", () => {
          window.opened = document.querySelectorAll("details.choice[open]").length;
        })"""
    )
    page.pdf()
    assert page.evaluate("opened") == 7
    assert page.evaluate("courseMemory.keys('question').length") == 0
    assert page.locator("details.choice[open]").count() == 0


def test_links_and_searches_lead_into_an_answer(page, served):
    page.goto(f"{served}#inside")
    page.wait_for_function("document.readyState === 'complete'")
    assert secrets(page) == OF_WHICH
    assert kept(page, "prediction", WHICH) is None
    assert 0 <= page.locator("#inside").bounding_box()["y"] < 800

    page.goto(served)
    page.reload()
    assert not secrets(page)
    page.evaluate("location.hash = 'inside'")
    page.wait_for_function("document.querySelector('#inside').checkVisibility()")
    assert secrets(page) == OF_WHICH

    # This is what a browser tells of a hidden part in which it has found something.
    hidden = page.locator(f'[data-answer="{HOW_MANY}"]').last
    assert hidden.get_attribute("hidden") == "until-found"
    hidden.evaluate("e => e.dispatchEvent(new Event('beforematch', {bubbles: true}))")
    assert secrets(page) == ALL_SECRETS
    # Whoever was led there may guess all the same.
    box(page, WHICH).locator("button").first.click()
    assert note(page, WHICH).locator("strong").is_visible()


def test_another_tab_is_heard(page, served):
    page.goto(served)
    other = page.context.new_page()
    other.goto(served)
    box(other, WHICH).locator("button").first.click()
    page.wait_for_function("document.querySelector('#inside').checkVisibility()")
    assert secrets(page) == OF_WHICH


def test_a_question_answers(page, address):
    page.goto(address)
    key = "page/one"
    choices = question(page, key).locator("details")
    verdicts = question(page, key).locator(".verdict")
    score = page.locator(".score span")
    assert not any(verdict.is_visible() for verdict in verdicts.all())
    assert re.findall(r"\d", score.inner_text()) == ["0", "3", "0"]

    choices.nth(2).locator("summary").click()
    assert [verdict.is_visible() for verdict in verdicts.all()] == [False, False, True]
    assert choices.nth(2).locator(".sd-card-text").is_visible()
    choices.nth(1).locator("summary").click()
    assert choices.nth(1).locator(".sd-card-text").is_visible()
    assert verdicts.nth(1).inner_text() != verdicts.nth(2).inner_text()
    # A screen reader reads both as one name.
    read_out = choices.nth(1).locator(".sd-summary-text").text_content()
    assert read_out.endswith(" " + verdicts.nth(1).inner_text())
    signs = verdicts.evaluate_all(
        "all => all.map(e => getComputedStyle(e, '::before').content)"
    )
    assert signs[0] == signs[2] != signs[1]
    # The first press counts.
    assert kept(page, "question", key) == {"choice": 2, "right": False}
    assert re.findall(r"\d", score.inner_text()) == ["1", "3", "0"]
    question(page, "page/two:2").locator("summary").nth(1).click()
    assert kept(page, "question", "page/two:2") == {"choice": 1, "right": True}
    assert re.findall(r"\d", score.inner_text()) == ["2", "3", "1"]

    page.reload()
    assert re.findall(r"\d", score.inner_text()) == ["2", "3", "1"]
    assert [verdict.is_visible() for verdict in verdicts.all()] == [False, False, True]

    page.locator(".score button").click()
    assert re.findall(r"\d", score.inner_text()) == ["0", "3", "0"]
    assert not page.locator("details.choice[open]").count()
    assert not any(verdict.is_visible() for verdict in verdicts.all())
    choices.nth(1).locator("summary").click()
    assert kept(page, "question", key) == {"choice": 1, "right": True}


def opened(page):
    return page.locator("details.choice[open]").count()


def test_all_answers_can_be_shown_and_hidden(page, address):
    page.goto(address)
    button = page.locator(".all-answers > button")
    says = button.inner_text()
    button.focus()
    page.keyboard.press("Enter")
    assert secrets(page) == ALL_SECRETS
    assert opened(page) == 7
    assert button.inner_text() == button.get_attribute("data-hide") != says
    assert not any(one.is_visible() for one in page.locator(".guess-note").all())
    # That is no answer, and neither is what is pressed then.
    question(page, "page/one").locator("summary").first.click()
    assert opened(page) == 6
    assert page.evaluate("courseMemory.keys('question').length") == 0
    assert page.evaluate("courseMemory.keys('prediction').length") == 0
    # Who wants to may still guess.
    box(page, WHICH).locator("button").first.click()
    assert note(page, WHICH).locator("strong").is_visible()

    page.reload()
    assert secrets(page) == ALL_SECRETS
    assert opened(page) == 7
    button.press("Enter")
    assert has_focus(button)
    assert button.inner_text() == says
    assert secrets(page) == OF_WHICH
    assert not opened(page)
    page.reload()
    assert secrets(page) == OF_WHICH


def test_shown_answers_are_there_before_anything_is_painted(page, served):
    page.goto(served)
    page.locator(".all-answers > button").click()
    held = []
    page.route("**/page.js*", lambda route: held.append(route))
    page.goto(served, wait_until="commit")
    page.wait_for_function("document.readyState === 'interactive'")
    assert secrets(page) == ALL_SECRETS
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    page.wait_for_load_state()
    assert secrets(page) == ALL_SECRETS


def test_proofs_in_a_row_are_one_line(page, served):
    page.goto(served)
    assert page.locator("details.proof").count() == 2
    box(page, WHICH).locator("button").first.click()
    proof = page.locator("details.proof").first
    assert not proof.locator("pre").first.is_visible()
    proof.locator("summary").click()
    assert [pre.inner_text() for pre in proof.locator("pre").all()] == [
        "assert first < second\n",
        "assert second\n",
    ]


@pytest.mark.parametrize("broken", ["throws", "full", "nonsense"])
def test_a_browser_that_keeps_nothing(page, served, broken):
    page.add_init_script(
        {
            "throws": """Object.defineProperty(window, "localStorage",
              {get() { throw new DOMException("no", "SecurityError"); }});""",
            "full": """Storage.prototype.setItem =
              () => { throw new DOMException("full", "QuotaExceededError"); };""",
            "nonsense": """localStorage.setItem("first-tensor",
              '{"prediction": {"page/which": {"guess": 7, "choice": "<b>"}}}');""",
        }[broken]
    )
    errors = []
    page.on("pageerror", lambda error: errors.append(error.stack or ""))
    page.goto(served)
    assert not secrets(page)
    box(page, WHICH).locator("button").first.click()
    assert secrets(page) >= OF_WHICH
    question(page, "page/one").locator("summary").nth(1).click()
    assert "1" in page.locator(".score span").inner_text()
    # The theme has scripts that want to keep things, too.
    assert not [stack for stack in errors if "reader.js" in stack]


def test_a_choice_that_is_gone_hides_nothing(page, served):
    page.goto(served)
    page.evaluate(
        "courseMemory.set('prediction', 'page/which', {guess: null, choice: 9})"
    )
    page.reload()
    assert secrets(page) == OF_WHICH
    assert not note(page, WHICH).locator("strong").count()


OPEN_ALL = """
() => {
  for (const pressed of document.querySelectorAll(
    ".choices li:last-child button, .guess button, .question summary"
  )) pressed.click();
  for (const details of document.querySelectorAll("details")) details.open = true;
}
"""


@pytest.mark.parametrize("prepare", ["() => {}", OPEN_ALL], ids=["folded", "open"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_sound(new_context, served, width, prepare):
    context = new_context(
        viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(f"addEventListener('load', {prepare})")
    check_soundness(context, served)


def test_code_in_a_choice_stays_in_its_line(page, served):
    page.goto(served)
    page.evaluate(OPEN_ALL)
    gap = page.locator(".choice .sd-summary-text code").evaluate(
        """(code) => {
          const words = document.createRange();
          words.selectNode(code.previousSibling);
          const [{right}] = words.getClientRects();
          return code.getBoundingClientRect().left - right;
        }"""
    )
    assert -5 < gap < 5


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window_when_all_is_open(new_context, served, width):
    context = new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(served)
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_ids_are_unique(html):
    text = (html / "chapters" / "01_page.html").read_text("utf-8")
    ids = re.findall(r'\sid="((?:guess|question)[^"]*)"', text)
    assert len(ids) == len(set(ids)) == 4


def test_pages_without_it_load_no_script(html):
    assert "reader.js" in (html / "chapters" / "01_page.html").read_text("utf-8")
    assert "reader.js" not in (html / "index.html").read_text("utf-8")


def test_mistakes_in_the_source_are_told(build, tmp_path):
    cells = [
        markdown("# A page", "title"),
        markdown(
            ":::{admonition} Predict, then run\n:class: predict\nWhat?\n\n"
            "- [here](https://example.org)\n:::",
            "linked",
        ),
        code("1", "run", "1"),
        markdown(
            ":::{admonition} Predict, then run\n:class: predict\nWhat?\n:::\n\n## Next",
            "alone",
        ),
        markdown(
            ":::{dropdown} A. This\n:class-container: right\nSo.\n:::\n\n"
            ":::{dropdown} B. That\n:class-container: right\nSo.\n:::",
            "twice",
        ),
    ]
    source = write_book(tmp_path / "source", cells, "# A book")
    with pytest.raises(AssertionError) as caught:
        build(source, tmp_path / "built")
    for told in ("no links in it", "nothing follows", "two right choices"):
        assert told in str(caught.value)
