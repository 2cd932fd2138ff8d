"""Atlas, glossary, cheat sheet and troubleshooting keep what they promise."""

import ast
import contextlib
import re
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image
from test_reader import faults_of_proof

from helpers import doctor
from tools.notebooks import ROOT, anchors, chapters, read, slugs, tags

APPENDIX = ROOT / "appendix"
CHAPTERS = chapters()
LINK = re.compile(r"\]\((\.\./chapters/[^)#]+\.ipynb)#([^)]+)\)")
TERM_LINK = re.compile(r"\[([^\]]+)\]\(\.\./appendix/glossary\.md#([^)]+)\)")


def entries(text, level):
    """Split Markdown at headings of a level into {heading: what follows}."""
    mark = "#" * level
    parts = re.split(rf"^{mark} (.+)\n", text, flags=re.M)[1:]
    return {
        heading: re.split(rf"^#{{1,{level}}} ", body, flags=re.M)[0]
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }


def teaches(text):
    """Tell whether a text links to a section of a chapter that exists."""
    links = LINK.findall(text)
    return bool(links) and all(
        anchor in slugs(read((APPENDIX / path).resolve())) for path, anchor in links
    )


# --- error atlas ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def atlas():
    """Return the atlas as {heading: cells}, with the heading's own cell first."""
    found = {}
    for cell in read(APPENDIX / "error_atlas.ipynb").cells:
        heading = None
        if cell.cell_type == "markdown":
            match = re.match(r"#{2,3} (.+)", cell.source)
            heading = match and match[1]
            if match and match[0].startswith("## "):
                heading, group = None, None
        if heading:
            group = found.setdefault(heading.strip("` "), [])
            assert not group, f"{heading} stands twice"
        elif cell.cell_type == "markdown" and cell.source.startswith("## "):
            group = []  # of no entry
        elif not found:
            continue
        group.append(cell)
    return found


# Messages that no machine of ours gives, word for word as somebody else got them.
QUOTED = re.compile(r"^```text\n(.+?)\n```$", re.M | re.S)
SOURCE = re.compile(r"\]\(https://github\.com/[\w-]+/[\w-]+/(?:issues|blob)/")


def message_of(cells):
    """Return the line that a reader would paste, and all that the entry quotes."""
    errors = [
        output
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]
    if not errors:
        (quoted,) = QUOTED.findall(cells[0].source)
        return " ".join(quoted.splitlines()), quoted
    (error,) = errors
    return f"{error.ename}: {error.evalue.strip().splitlines()[0]}", error.evalue


def test_atlas_entries_are_complete(atlas):
    assert len(atlas) >= 70
    for heading, (title, *cells) in atlas.items():
        by_part = {cell.id.rpartition("-")[2]: cell for cell in cells}
        message_of([title, *cells])
        if "fails" not in by_part:
            assert SOURCE.search(title.source), f"{heading}: quoted from where?"
        prose = by_part["read"].source
        assert re.findall(r"^\*\*(Find it|Fix):\*\*", prose, re.M) == ["Find it", "Fix"]
        assert teaches(prose), heading
        outputs = by_part["cure"].outputs
        assert outputs, f"{heading}: the fix shows no result"
        assert not any(output.output_type == "error" for output in outputs)


def test_asserts_of_the_atlas_are_folded():
    assert not faults_of_proof(read(APPENDIX / "error_atlas.ipynb"))


def test_first_entry_of_the_atlas_is_on_the_first_screen(new_context, serve, site):
    page = new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{serve(site)}/appendix/error_atlas.html")
    message = page.locator("h3 ~ div.cell .output").first
    assert message.bounding_box()["y"] < 700


def test_atlas_heading_is_part_of_the_message(atlas):
    def plain(text):
        return f" {re.sub(r'[^a-z0-9_]+', ' ', text.lower()).strip()} "

    for heading, cells in atlas.items():
        message = plain(" ".join(message_of(cells)))
        if "nbval-ignore-output" in tags(cells[1]) and "/" in heading:
            continue  # which of the wordings appears depends on machine and version
        wording = heading.split(" / ")[0].split("…")
        assert all(plain(part) in message for part in wording if part.strip()), heading


@pytest.fixture(scope="module")
def search(browser, serve, site):
    """Return a function that searches the built site and returns the first hit."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{serve(site)}/search.html")
    page.wait_for_function("Search.hasIndex()")

    def first(query):
        return page.evaluate(
            "(query) => Search.find(query)"
            ".map(({page, anchor}) => `${page}#${anchor}`)[0]",
            query,
        )

    yield first
    context.close()


def test_titles_of_hits_are_text_not_markup(new_context, serve, site):
    heading = "Can't pickle <function <lambda> / An attempt has been made"
    context = new_context()
    page = context.new_page()
    page.goto(f"{serve(site)}/search.html?q={quote(heading)}")
    page.locator("#search-results li a").first.wait_for()
    shown = page.locator("#search-results li a").all_inner_texts()
    assert any(heading in title for title in shown), shown


def test_search_finds_each_pasted_message(search, site, atlas):
    html = (site / "appendix" / "error_atlas.html").read_text("utf-8")
    page = BeautifulSoup(html, "html.parser")
    lost = []
    for line, _ in map(message_of, atlas.values()):
        # As the reader has it: with other shapes.
        other = re.sub(
            r"[(\[].*?[)\]]",
            lambda shape: re.sub(r"\d+", lambda size: f"{int(size[0]) + 7}", shape[0]),
            line,
        )
        for query in {line, other}:
            hit = search(query)
            path, _, anchor = (hit or "").partition("#")
            section = page.find(id=anchor) if anchor else None
            if path != "appendix/error_atlas" or line[:60] not in section.get_text():
                lost.append((query, hit))
    assert not lost


@pytest.mark.parametrize(
    ("pasted", "anchor"),
    [
        (
            "Traceback (most recent call last): File train.py, line 31, in <module> "
            "loss = model(x) RuntimeError: Expected all tensors to be on the same "
            "device, but found at least two devices, cuda:0 and cpu!",
            "expected-all-tensors-to-be-on-the-same-device",
        ),
        (
            "RuntimeError: Error(s) in loading state_dict for Net: size mismatch for "
            "fc.weight: copying a param with shape torch.Size([1000, 512]) from "
            "checkpoint, the shape in current model is torch.Size([3, 512]).",
            "size-mismatch-for",
        ),
        ("RuntimeError: CUDA error: device-side assert triggered", "device-side"),
        ("AssertionError: Torch not compiled with CUDA enabled", "torch-not-compiled"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
            "GPU 0 has a total capacity of 14.74 GiB of which 1.02 GiB is free. "
            "Process 4321 has 13.71 GiB memory in use. Of the allocated memory 12.90 "
            "GiB is allocated by PyTorch, and 681.18 MiB is reserved but unallocated.",
            "cuda-out-of-memory",
        ),
        (
            "RuntimeError: MPS backend out of memory (MPS allocated: 8.88 GB, other "
            "allocations: 173 MB, max allowed: 9.07 GB). Tried to allocate 6.25 MB on "
            "private pool.",
            "mps-backend-out-of-memory",
        ),
        ("RuntimeError: CUDA error: out of memory", "cuda-error-out-of-memory"),
        (
            "NotImplementedError: The operator 'aten::linalg_eig' is not currently "
            "implemented for the MPS device. If you want this op to be considered",
            "not-currently-implemented-for-the-mps-device",
        ),
        (
            "OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll "
            "already initialized.",
            "omp-error-15",
        ),
        (
            "RuntimeError: DataLoader worker (pid 4321) is killed by signal: Killed. ",
            "dataloader-worker",
        ),
        (
            "<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
            "failed: unable to get local issuer certificate (_ssl.c:1006)>",
            "certificate-verify-failed",
        ),
        (
            "OSError: Tunnel connection failed: 407 Proxy Authentication Required",
            "unable-to-connect-to-proxy",
        ),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:114] data. "
            "DefaultCPUAllocator: not enough memory: you tried to allocate 4000 bytes.",
            "defaultcpuallocator",
        ),
    ],
)
def test_search_finds_messages_of_other_machines(search, pasted, anchor):
    hit = search(pasted)
    assert hit.startswith("appendix/error_atlas#")
    assert anchor in hit


# --- silent faults -------------------------------------------------------------------


@pytest.fixture(scope="module")
def silent():
    """Return the silent faults as {anchor: cells}, the heading's own cell first."""
    notebook = read(APPENDIX / "silent_faults.ipynb")
    found, group = {}, []
    for cell, named in zip(notebook.cells, anchors(notebook), strict=True):
        if named:
            group = []
            found |= {anchor: group for level, _, anchor in named if level == 3}
        group.append(cell)
    return found


def way_of_checks():
    """Return the prose that says what to check, and in which order."""
    cells = read(APPENDIX / "silent_faults.ipynb").cells
    return next(cell.source for cell in cells if cell.id == "order")


def test_silent_faults_are_complete(silent):
    assert len(silent) >= 15
    for anchor, (_, run, prose, found, proof) in silent.items():
        assert run.cell_type == found.cell_type == proof.cell_type == "code", anchor
        assert run.outputs, f"{anchor} shows nothing"
        assert not any(o.output_type == "error" for o in run.outputs), anchor
        assert "**The test" in prose.source, anchor
        assert teaches(prose.source), anchor
        assert "assert " in found.source, f"{anchor} has no test to take away"
        assert "proof" not in tags(found), anchor
        assert "proof" in tags(proof), anchor


def test_each_silent_fault_is_on_the_way_of_checks(silent):
    way = way_of_checks()
    assert silent.keys() <= {*re.findall(r"\]\(#([^)]+)\)", way)}


def test_the_way_of_checks_is_the_drawn_one():
    drawing = (ROOT / "figures" / "does_not_learn.svg").read_text("utf-8")
    way = way_of_checks()
    told = re.findall(r"^(\d+)\. \*(.+)\.\*$", way, re.M)
    drawn = re.findall(r">(\d+)</text>\s*<text[^>]*>([^<]+)<", drawing)
    assert [int(number) for number, _ in told] == list(range(1, len(told) + 1))
    assert [number for number, _ in drawn] == [number for number, _ in told]
    for (_, words), (_, step) in zip(drawn, told, strict=True):
        assert {*words.split()} <= {*step.lower().split()}


# --- glossary ------------------------------------------------------------------------


def glossary():
    """Return {term: (Chinese, definition, more, link)} in the order of the page.

    `more` is a list of sentences: examples, and other names in italics.
    """
    text = (APPENDIX / "glossary.md").read_text("utf-8")
    rows = re.findall(r"^(\S.*)\n: (.+)\n((?:  .+\n)+)", text, re.M)
    assert len(rows) == len(re.findall(r"^: ", text, re.M))
    found = {}
    for term, chinese, rest in rows:
        definition, *more, link = map(str.strip, rest.splitlines())
        found[term] = chinese, definition, more, link
    assert len(found) == len(rows)
    return found


def plain(term):
    return re.sub(r"\s*\(.*?\)", "", term).strip("`_* ").lower()


def test_glossary_entries_have_all_four_parts():
    found = glossary()
    assert len(found) >= 180
    for term, (chinese, definition, more, link) in found.items():
        # A name that Chinese texts write in Latin letters stands beside a word.
        assert re.search(r"[\u4e00-\u9fff]", chinese), term
        assert plain(term) != plain(definition), term
        for sentence in [definition, *more]:
            assert sentence.endswith("."), f"{term}: {sentence}"
        assert teaches(link), f"{term}: {link}"


def test_glossary_definitions_can_be_read_at_a_glance():
    """A link to a term shows them, without the term: short, and the first alone."""
    for term, (_, definition, more, _) in glossary().items():
        words = re.sub(r"\$[^$]+\$", "x", definition).split()
        assert len(words) <= 25, f"{term}: {len(words)} words"
        assert definition.count(". ") == 0, f"{term}: more than one sentence"
        assert definition[0].isupper(), term
        assert not re.match(r"(It|They|This|That|These|He|She)\b", definition), term
        assert len(" ".join([definition, *more]).split()) <= 60, term


def section(path, anchor):
    """Return the text of a section, code and subsections included, in lower case."""
    depth, found = 0, []
    for cell in read((APPENDIX / path).resolve()).cells:
        for line in cell.source.splitlines():
            title = cell.cell_type == "markdown" and re.match(r"(#+) (.+)", line)
            if title and (not depth or len(title[1]) <= depth):
                name = re.sub(r"[^\w\- ]", "", title[2]).lower().replace(" ", "-")
                depth = len(title[1]) if name == anchor else 0
            if depth:
                found.append(line)
    return spoken(" ".join(found))


def spoken(text):
    return re.sub(r"[\s_-]+", " ", text).lower()


# What the section that they link to teaches in other words.
TAUGHT_IN_OTHER_WORDS = {
    *("average pooling", "calibrated", "class imbalance", "custom data set"),
    *("generalisation", "initialisation"),
}


def test_glossary_terms_link_to_sections_that_name_them():
    silent = set()
    for term, (_, _, more, link) in glossary().items():
        ((path, anchor),) = LINK.findall(link)
        names = [plain(term), *re.findall(r"\((\w+)\)", term)]
        names += [name.strip("`") for name in re.findall(r"\*(.+?)\*", " ".join(more))]
        text = section(path, anchor)
        assert text, term
        # Each word may have another ending there.
        words = [spoken(name).split() for name in names]
        if not any(all(w[: max(4, len(w) - 3)] in text for w in ws) for ws in words):
            silent.add(term)
    assert silent == TAUGHT_IN_OTHER_WORDS


def test_glossary_is_sorted_under_its_letters():
    names = [term.strip("`_").lower() for term in glossary()]
    assert names == sorted(names)
    text = (APPENDIX / "glossary.md").read_text("utf-8")
    for letter, body in entries(text, 2).items():
        terms = re.findall(r"^(\S.*)\n: ", body, re.M)
        assert terms
        assert {term.strip("`_")[0].upper() for term in terms} == {letter}


def prose_of(notebook):
    return "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def key_terms(notebook):
    """Return the terms in bold of a chapter's list of key terms."""
    prose = TERM_LINK.sub(r"\1", prose_of(notebook))
    section = re.search(r"^#+ Key terms\n(.*?)(?=^#|\Z)", prose, re.M | re.S)
    bold = re.findall(r"\*\*(.+?)\*\*", section[1])
    return [part for term in bold for part in term.split(", ")]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_key_terms_are_in_the_glossary(path):
    names = glossary()
    known = {plain(term) for term in names}
    known |= {
        short.lower() for term in names for short in re.findall(r"\((\w+)\)", term)
    }
    # "training, validation, test set" leaves out what the parts have in common.
    starts = {" ".join(term.split()[:n]) for term in known for n in (1, 2)}
    missing = [
        term
        for term in key_terms(read(path))
        if not {plain(term), plain(term).removesuffix("s"), plain(term) + "s"}
        & (known | starts)
    ]
    assert key_terms(read(path))
    assert not missing


def anchor(term):
    """Return the anchor of a term, as Sphinx makes it."""
    return "term-" + re.sub(r"[^\w.]+", "-", term.strip("`")).strip("-")


def meant(key_term):
    """Return the anchors of the entries that a key term may mean."""
    names = {plain(key_term), plain(key_term).removesuffix("s"), plain(key_term) + "s"}
    found = {
        anchor(term)
        for term in glossary()
        if names & {plain(term), *map(str.lower, re.findall(r"\((\w+)\)", term))}
    }
    # "macro, micro, weighted average" leaves out what the parts have in common.
    return found or {
        anchor(term)
        for term in glossary()
        if plain(term).startswith(plain(key_term) + " ")
    }


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_terms_are_linked_once_and_key_terms_are(path):
    notebook = read(path)
    links = Counter(target for _, target in TERM_LINK.findall(prose_of(notebook)))
    assert set(links) <= {anchor(term) for term in glossary()}
    assert not [target for target, count in links.items() if count > 1]
    assert not [term for term in key_terms(notebook) if not meant(term) & set(links)]


def test_terms_can_be_linked(site):
    html = (site / "appendix" / "glossary.html").read_text("utf-8")
    page = BeautifulSoup(html, "html.parser")
    anchors = {term.get("id") for term in page.select("dl.glossary dt")}
    assert anchors == {anchor(term) for term in glossary()}
    assert {"term-tensor", "term-learning-rate", "term-DataLoader"} <= anchors


# --- cheat sheet ---------------------------------------------------------------------


def cheat_sheet():
    text = (APPENDIX / "cheat_sheet.md").read_text("utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))


def run(statement, line, names):
    """Run one statement; compare it with what a comment after an arrow says."""
    if not isinstance(statement, ast.Expr):
        exec(compile(ast.Module([statement], []), line, "exec"), names)
        return
    value = eval(compile(ast.Expression(statement.value), line, "eval"), names)
    _, _, says = line.partition("# → ")
    if says:
        if isinstance(value, torch.Tensor):
            value = tuple(value.shape) if says.startswith("(") else value.tolist()
        assert str(value) == says


@pytest.mark.filterwarnings("ignore")
def test_each_line_of_the_cheat_sheet_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    noise = np.random.default_rng(0)
    for group in ("train/cat", "train/dog", "valid/cat", "valid/dog"):
        folder = tmp_path / "pictures" / group
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = noise.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    names = {"path": tmp_path / "pictures", "__name__": "cheat_sheet"}
    lines = cheat_sheet().splitlines()
    statements = ast.parse(cheat_sheet()).body
    # The comment on a line of several statements is about the last one.
    last = {statement.end_lineno: statement for statement in statements}
    with contextlib.chdir(tmp_path):
        for statement in statements:
            line = lines[statement.end_lineno - 1]
            if last[statement.end_lineno] is not statement:
                line = line.partition("#")[0]
            try:
                run(statement, line, names)
            except Exception as error:
                pytest.fail(f"{line}\n{type(error).__name__}: {error}")
    assert names["model"] is not None
    assert (tmp_path / "model.pkl").exists()
    # `ImageDataLoaders` sets another `learn.path`, and fastai exports to that.
    names["learn"].path = names["path"]
    exec("\n".join(line for line in lines if "model.pkl" in line), names)


def test_arrow_of_the_cheat_sheet_is_compared():
    assert cheat_sheet().count("# → ") >= 30
    for line in ("len('four')  # → 5", "torch.ones(2, 3)  # → (3, 2)"):
        with pytest.raises(AssertionError):
            run(ast.parse(line).body[0], line, {"torch": torch})


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_cheat_sheet_prints_on_two_pages(page, serve, site, paper):
    assert max(map(len, cheat_sheet().splitlines())) <= 60
    page.goto(f"{serve(site)}/appendix/cheat_sheet.html")
    pdf = page.pdf(format=paper)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2


# --- troubleshooting -----------------------------------------------------------------


def troubles():
    return entries((APPENDIX / "troubleshooting.md").read_text("utf-8"), 3)


def test_each_trouble_comes_with_something_to_type():
    reports = {name[0].upper() + name[1:] for name in doctor.ADVICE}
    others = troubles().keys() - reports
    assert len(others) >= 30
    for name in others:
        body = re.sub(r"^```text\n.*?^```\n", "", troubles()[name], flags=re.M | re.S)
        assert "What to do:" not in body, f"{name}: the doctor says no such thing"
        assert re.search(r"^```console|`[^`]+`|\*[A-Z][^*]+\*", body, re.M), name
        assert len(body.split()) >= 20, name


def test_each_finding_of_the_doctor_is_explained():
    found = troubles()
    for name, advice in doctor.ADVICE.items():
        body = found[name[0].upper() + name[1:]]
        report, _, explanation = body.partition("```\n\n")
        assert f"What to do: {advice}" in report, name
        assert re.search(r"^\[(note|problem)\] ", report, re.M), name
        assert len(explanation.split()) >= 20, name


def test_the_doctor_gives_no_advice_that_is_not_listed():
    tree = ast.parse(Path(doctor.__file__).read_text("utf-8"))
    used = {
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and getattr(node.value, "id", "") == "ADVICE"
        and isinstance(node.slice, ast.Constant)
    }
    assert used == set(doctor.ADVICE)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding":
            bad = getattr(call.args[0], "id", "") != "OK"
            assert len(call.args) == 3 + bad, ast.unparse(call)
            advice = call.args[3] if bad else None
            assert not isinstance(advice, ast.Constant), ast.unparse(call)
