"""What readers expect of a site beyond its text, and the archive of a release.

Beside the course, a small book is built: outside git, and published at an address.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import nbformat.v4 as nbf
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat import write as write_notebook
from PIL import Image
from sphinx_external_toc.parsing import parse_toc_yaml

from tools import release
from tools.notebooks import read as read_notebook
from tools.times import times

pytestmark = pytest.mark.machinery

ROOT = Path(__file__).parent.parent
PAGES = list(parse_toc_yaml(ROOT / "_toc.yml"))
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
CHAPTER, OTHER = CHAPTERS[1], CHAPTERS[0]
LOOKS = [(width, mode) for width in (360, 1280) for mode in ("light", "dark")]
ADDRESS = "https://someone.github.io/first-tensor"


@cache
def read(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def notebook(name):
    return json.loads((ROOT / f"{name}.ipynb").read_text("utf-8"))


def meta(soup, name):
    tag = soup.find("meta", {"property" if ":" in name else "name": name})
    return tag and tag["content"]


def title(soup):
    return soup.select_one("article h1").find(string=True, recursive=False).strip()


@pytest.fixture(scope="session")
def small_source(tmp_path_factory):
    """Write a book of two pages with the settings of the course."""
    source = tmp_path_factory.mktemp("small")
    for name in ("_ext", "_static", "_templates", "_vendor", "tools"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, source)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n  - file: chapters/one\n"
    )
    (source / "index.md").write_text(
        'Small & "quick"\n===\n\nOne < two, and that is all.\n\n'
        "[](chapters/one.ipynb) takes {time}`chapters/*`.\n\n"
        ":::{chapter-figure} chapters/one.ipynb#draw\nA caption.\n:::\n"
    )
    png = BytesIO()
    Image.new("RGB", (90, 40), "teal").save(png, "PNG")
    figure = base64.b64encode(png.getvalue()).decode()
    cells = [
        nbf.new_markdown_cell(
            "# One\n\n" + "word " * 99 + "\n\n**Time:** about 75 minutes."
        ),
        nbf.new_code_cell(
            "draw()",
            id="draw",
            metadata={"mystnb": {"image": {"alt": "A flat rectangle."}}},
            outputs=[nbf.new_output("display_data", {"image/png": figure})],
        ),
    ]
    language = {"name": "python", "version": "3.12.1", "pygments_lexer": "ipython3"}
    (source / "chapters").mkdir()
    write_notebook(
        nbf.new_notebook(metadata={"language_info": language}, cells=cells),
        source / "chapters" / "one.ipynb",
    )
    return source


@pytest.fixture(scope="session")
def small(build, small_source, tmp_path_factory):
    """Return the folder of the small book, built for an address."""
    output = tmp_path_factory.mktemp("small_built")
    return build(small_source, output, COURSE_SITE_URL=ADDRESS) / "html"


def test_figures_of_the_landing_page_are_outputs_of_chapters(site):
    stored = {}
    for name in CHAPTERS:
        for cell in notebook(name)["cells"]:
            for output in cell.get("outputs", []):
                if png := output.get("data", {}).get("image/png"):
                    alt = cell["metadata"]["mystnb"]["image"]["alt"]
                    stored[base64.b64decode("".join(png))] = (name, alt)
    figures = read(site / "index.html").select("article img")
    shown = {}
    for figure in figures:
        file = site / figure["src"]
        name, alt = stored[file.read_bytes()]
        assert figure["alt"] == alt
        # The chapter shows the very file, so a reader's browser fetches it once.
        chapter = read(site / f"{name}.html")
        assert chapter.select(f'article img[src="../_images/{file.name}"]')
        shown[name] = file
    assert len(shown) == len(figures) >= 4


def test_path_lists_every_chapter_with_its_time(site):
    items = read(site / "index.html").select(".learning-path li")
    links = [item.a["href"].removesuffix(".html") for item in items]
    assert links == CHAPTERS
    total = 0
    for item, name in zip(items, CHAPTERS, strict=True):
        assert item.a.get_text() == title(read(site / f"{name}.html"))
        expected = times(read_notebook(ROOT / f"{name}.ipynb")).core
        number, unit = re.search(r"\((\d+)\s(min|h)\)", item.get_text()).groups()
        assert int(number) * (60 if unit == "h" else 1) == expected
        total += expected
    text = " ".join(read(site / "index.html").article.get_text().split())
    assert f"about {total / 60:.0f} h" in text


def test_what_is_not_there_fails_the_build(build, small_source, tmp_path):
    source = tmp_path / "book"
    shutil.copytree(small_source, source)
    (source / "index.md").write_text(
        "# Small\n\n{time}`chapters/none`\n\n"
        ":::{chapter-figure} chapters/one.ipynb#none\n:::\n"
    )
    with pytest.raises(AssertionError) as caught:
        build(source, tmp_path / "built")
    assert re.search("index.md:3: .*no notebook is called", str(caught.value))
    assert re.search("index.md:5: .*no cell of that id", str(caught.value))


def test_neighbours_are_linked_by_title(site):
    titles = [title(read(site / f"{name}.html")) for name in PAGES]
    for i, name in enumerate(PAGES):
        soup = read(site / f"{name}.html")
        expected = [titles[j] for j in (i - 1, i + 1) if 0 <= j < len(PAGES)]
        found = [tag.get_text(" ") for tag in soup.select(".prev-next-title")]
        assert len(found) == len(expected)
        for shown, full in zip(found, expected, strict=True):
            assert full in " ".join(shown.split())


def test_chapters_say_when_and_with_what_they_ran(site, small):
    lock = (ROOT / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([^=\s]+)==([^\s;]+)", lock, re.M))
    versions = [f"{name} {pins[name]}" for name in ("torch", "fastai")]
    git = ["git", "-C", str(ROOT), "-c", "safe.directory=*"]
    asked = [*git, "rev-parse", "--is-shallow-repository"]
    whole = subprocess.run(asked, capture_output=True, text=True).stdout == "false\n"
    for name in CHAPTERS:
        line = read(site / f"{name}.html").select_one(".chapter-run")
        language = notebook(name)["metadata"]["language_info"]
        told = ", ".join([f"Python {language['version']}", *versions])
        assert f"Tested with {told}." in line.get_text()
        log = [*git, "log", "-1", "--format=%cs", "--", f"{name}.ipynb"]
        day = subprocess.run(log, capture_output=True, text=True).stdout.strip()
        assert (line.time and line.time["datetime"]) == (day if whole and day else None)
    assert read(site / "index.html").select(".chapter-run") == []
    line = read(small / "chapters" / "one.html").select_one(".chapter-run")
    assert " ".join(line.get_text().split()) == (
        f"Tested with Python 3.12.1, {', '.join(versions)}."
    )


def test_pages_describe_themselves(site):
    descriptions = []
    for name in PAGES:
        soup = read(site / f"{name}.html")
        description = meta(soup, "description")
        assert 40 <= len(description) <= 160
        first = soup.select_one("article section > p").get_text()
        assert " ".join(first.split())[:40] == description[:40]
        assert meta(soup, "og:description") == description
        assert meta(soup, "og:title") in soup.title.get_text()
        assert meta(soup, "og:site_name") == "First Tensor"
        assert meta(soup, "og:type") == "website"
        descriptions.append(description)
    assert len(set(descriptions)) == len(descriptions)


def test_address_is_told_only_where_it_is_known(site, small):
    for name in PAGES:
        soup = read(site / f"{name}.html")
        for tag in ("og:url", "og:image"):
            assert "://" not in (meta(soup, tag) or "")
        assert soup.find("link", rel="canonical") is None
    assert not (site / "sitemap.xml").exists()

    for name in ("index", "chapters/one"):
        soup = read(small / f"{name}.html")
        assert meta(soup, "og:url") == f"{ADDRESS}/{name}.html"
        assert soup.find("link", rel="canonical")["href"] == f"{ADDRESS}/{name}.html"
        image = meta(soup, "og:image").removeprefix(f"{ADDRESS}/")
        assert (small / image).is_file()
        assert meta(soup, "og:image:alt") == "A flat rectangle."
    index = read(small / "index.html")
    assert meta(index, "og:title") == "Small & “quick”"
    assert meta(index, "description").startswith("One < two, and that is all.")
    assert len(meta(read(small / "chapters" / "one.html"), "description")) <= 160

    places = ET.parse(small / "sitemap.xml").findall(
        "s:url/s:loc", {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    )
    assert sorted(place.text for place in places) == [
        f"{ADDRESS}/chapters/one.html",
        f"{ADDRESS}/index.html",
    ]


def test_plain_sphinx_builds_the_same_pages(build, small_source, tmp_path):
    """Jupyter Book 1 can be left: it writes the settings that Sphinx needs."""
    source = tmp_path / "book"
    shutil.copytree(small_source, source)
    expected = build(source, tmp_path / "by_jupyter_book") / "html"
    environment = {k: v for k, v in os.environ.items() if "COURSE_" not in k}
    environment["PYTHONPATH"] = str(source / "_ext")

    def run(*command):
        result = subprocess.run(
            [sys.executable, *map(str, command)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr

    book = "from jupyter_book.cli.main import main; main()"
    run("-c", book, "config", "sphinx", source)
    plain = tmp_path / "by_sphinx"
    run("-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", "html", source, plain)

    def page(folder, name):
        # The style sheets are joined in the end; their version is that of the parts.
        return re.sub(r"site\.css\?v=\w+", "", (folder / name).read_text("utf-8"))

    for name in ("index.html", "chapters/one.html", "search.html", "404.html"):
        assert page(plain, name) == page(expected, name)


def test_address_is_checked(build, small_source, tmp_path):
    with pytest.raises(AssertionError, match="COURSE_SITE_URL is 'github.io'"):
        build(small_source, tmp_path, COURSE_SITE_URL="github.io")


@pytest.fixture(scope="session")
def serve_published(serve, site, small, tmp_path_factory):
    """Return the addresses of both books on servers that answer as GitHub Pages do."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def send_error(self, code, *args, **kwargs):
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((Path(self.directory, self.page)).read_bytes())

    # The small book is published below the root of its server.
    root = tmp_path_factory.mktemp("published")
    (root / "first-tensor").symlink_to(small, target_is_directory=True)
    servers = []
    for folder, page in ((site, "404.html"), (root, "first-tensor/404.html")):
        kind = type("Published", (Handler,), {"page": page})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=folder))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("width", "mode"), LOOKS)
@pytest.mark.parametrize("below", ["", "/first-tensor"])
def test_unknown_address_shows_a_page(new_context, serve_published, below, width, mode):
    from axe_playwright_python.sync_playwright import Axe

    base = serve_published[bool(below)] + below
    context = new_context(viewport={"width": width, "height": 800}, color_scheme=mode)
    page = context.new_page()
    failed, errors = [], []
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.on("pageerror", lambda error: errors.append(error))
    for path in ("/gone.html", "/chapters/deep/er/gone.html"):
        failed.clear()
        assert page.goto(base + path).status == 404
        assert failed == [base + path]
        assert page.get_by_role("heading", level=1).inner_text() == "Page not found"
        for link in page.locator("a[href]").evaluate_all(
            "links => links.map(a => a.href)"
        ):
            place = link.split("#")[0]
            assert place == base + path or page.request.get(place).ok, link
    violations = Axe().run(page, None, {"resultTypes": ["violations"]})
    assert not violations.violations_count, violations.generate_report()
    page.get_by_role("link", name="The start page").click()
    assert page.url == f"{base}/index.html"
    assert not errors


def test_pages_have_an_icon(site):
    for name in [*PAGES, "search"]:
        link = read(site / f"{name}.html").find("link", rel="icon")
        icon = (site / name).parent / unquote(link["href"].split("?")[0])
        assert icon.read_text("utf-8").lstrip().startswith("<svg")


def test_chapter_prints_well(new_context, serve, site):
    # A4 less its margins, in CSS pixels.
    context = new_context(viewport={"width": 672, "height": 986}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{serve(site)}/{CHAPTERS[4]}.html", wait_until="networkidle")
    page.evaluate(
        """addEventListener("beforeprint", () => {
          window.printed = [
            document.documentElement.dataset.theme,
            document.querySelectorAll("details.sd-dropdown:not([open])").length,
            document.querySelectorAll(".toggle-hidden").length,
          ];
        })"""
    )
    folded = "document.querySelectorAll('details.sd-dropdown:not([open])').length"
    before = page.evaluate(folded)
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 10
    assert page.evaluate("window.printed") == ["light", 0, 0]
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(folded) == before > 0

    page.emulate_media(media="print")
    faults = page.evaluate(
        """() => {
          const isSeen = (element) => element.getClientRects().length > 0;
          const cut = [...document.querySelectorAll("article :is(pre, img, figure, p)")]
            .filter(isSeen)
            .filter((box) => box.scrollWidth > box.clientWidth + 1 && box.clientWidth ||
                             box.getBoundingClientRect().right > innerWidth + 1);
          const aside = [...document.querySelectorAll(
            ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, " +
            ".prev-next-footer, .copybtn, .headerlink, .chapter-finished"
          )].filter(isSeen);
          const split = [...document.querySelectorAll("article img")].filter(
            (image) => getComputedStyle(image).breakInside !== "avoid" ||
                       image.getBoundingClientRect().height > 986);
          return [...cut, ...aside, ...split].map((box) => box.outerHTML.slice(0, 200));
        }"""
    )
    assert not faults
    assert page.locator("#jb-print-docs-body h1").is_visible()


def test_citation_file():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == project["version"]
    assert " AND ".join(citation["license"]) == project["license"]


def test_issue_forms():
    forms = {
        path.stem: yaml.safe_load(path.read_text("utf-8"))
        for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
        if path.stem != "config"
    }
    for form in forms.values():
        assert {"name", "description", "body"} <= set(form)
        ids = [field["id"] for field in form["body"]]
        assert len(set(ids)) == len(ids)
        for field in form["body"]:
            assert field["type"] in ("textarea", "input", "checkboxes", "dropdown")
            assert field["attributes"].get("label") or field["attributes"]["options"]
    fields = {field["id"]: field for field in forms["bug"]["body"]}
    assert "`python -m helpers.doctor`" in fields["doctor"]["attributes"]["description"]
    assert fields["doctor"]["validations"]["required"]


def test_other_machines_install_the_same_requirements():
    """Codespaces run the target that a person runs; Binder reads the same file."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    makefile = (ROOT / "Makefile").read_text()
    assert "make .venv/.installed" in container["postCreateCommand"]
    assert "INSTALLED := .venv/.installed" in makefile
    assert "--requirement requirements.txt" in makefile
    binder = ROOT / ".binder"
    line = (binder / "requirements.txt").read_text().strip()
    assert (binder / line.removeprefix("-r ")).resolve() == ROOT / "requirements.txt"
    python = (binder / "runtime.txt").read_text().strip()
    assert container["image"] == python.replace("-", ":")
    if os.name == "posix":
        assert os.access(binder / "postBuild", os.X_OK)


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md"]
)
def test_links_of_documents_lead_somewhere(name):
    text = re.sub(
        r"`[^`]*`|```.*?```", "", (ROOT / name).read_text("utf-8"), flags=re.S
    )
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in link or (ROOT / link).exists(), link


@pytest.fixture(scope="session")
def unpacked(site, tmp_path_factory):
    """Pack the site twice, compare, and unpack it into an empty folder."""
    archives = []
    for name in ("first", "second"):
        output = tmp_path_factory.mktemp(name)
        command = [sys.executable, ROOT / "tools" / "release.py", site, output]
        subprocess.run(command, check=True, capture_output=True)
        archives += output.glob("*.zip")
    assert archives[0].read_bytes() == archives[1].read_bytes()
    return unpack(archives[0], tmp_path_factory.mktemp("unpacked"))


def unpack(file, folder):
    """Unpack a zip as `unzip` does, and return the one folder in it, named like it."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            archive.extract(entry, folder)
            (folder / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    (course,) = folder.iterdir()
    assert course.name == file.stem
    return course


@pytest.fixture(scope="session")
def offered(site, tmp_path_factory):
    """Unpack the zip that the page "Get the course" offers."""
    link = read(site / "get_the_course.html").select_one('article a[href$=".zip"]')
    return unpack(site / unquote(link["href"]), tmp_path_factory.mktemp("offered"))


def tracked():
    """List the files of the last commit."""
    listed = ["git", "-C", str(ROOT), "ls-tree", "-r", "--name-only", "-z", "HEAD"]
    names = subprocess.run(listed, check=True, capture_output=True).stdout
    return set(filter(None, names.decode().split("\0")))


def test_archive_holds_the_course(site, unpacked):
    built = {f"_build/html/{file.relative_to(site)}" for file in site.rglob("*.*")}
    for name in tracked() | built:
        assert (unpacked / name).exists(), name
    shown = (unpacked / "_build" / "html" / "index.html").read_bytes()
    assert shown == (site / "index.html").read_bytes()


def test_the_site_offers_the_course_without_the_site(offered):
    there = {
        path.relative_to(offered).as_posix()
        for path in offered.rglob("*")
        if path.is_file() and "_build" not in path.parts
    }
    assert there == tracked()
    assert os.name != "posix" or os.access(offered / ".ci" / "run", os.X_OK)


def test_a_zip_of_an_unpacked_zip_holds_the_same(offered, tmp_path):
    """Outside of a repository, what is built or cached stays out."""
    course = tmp_path / "first-tensor"
    shutil.copytree(offered, course, ignore=shutil.ignore_patterns("_build"))
    expected = release.sources(course)
    assert set(expected) == tracked()
    for made in ("_build/html/index.html", "helpers/__pycache__/a.pyc", ".venv/b"):
        (course / made).parent.mkdir(parents=True, exist_ok=True)
        (course / made).write_text("made")
    assert release.sources(course) == expected


def test_archive_opens_without_a_server_and_with_one(new_context, serve, unpacked):
    context = new_context(offline=False)
    for base in (unpacked.as_uri(), serve(unpacked)):
        page = context.new_page()
        asked, problems = [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("requestfailed", lambda r, p=problems: p.append(r.url))
        page.on("pageerror", lambda error, p=problems: p.append(str(error)))
        page.goto(f"{base}/index.html")
        page.wait_for_url("**/_build/html/index.html")
        page.get_by_role("link", name="Start with chapter 1").click()
        page.wait_for_url(f"**/{OTHER}.html")
        page.wait_for_load_state("networkidle")
        assert not problems
        assert all(url.startswith((base, "data:", "blob:")) for url in asked)
        page.close()


def test_archive_runs_a_chapter_without_network(unpacked, tmp_path):
    """As a reader would, in an environment that knows nothing of this repository.

    The new environment borrows the packages of this one, pip included, all but the
    course's own.
    """
    offline = [sys.executable, ROOT / "tools" / "offline.py"]
    if subprocess.run([*offline, "true"], capture_output=True).returncode == 3:
        pytest.skip("the network cannot be cut here: see tools/offline.py")

    environment = tmp_path / "environment"
    make = [sys.executable, "-m", "venv", "--without-pip", environment]
    subprocess.run(make, check=True)
    python = environment / "bin" / "python"
    # Lines of a .pth file are added to sys.path; .pth files there are not read, so the
    # editable installation of this repository stays out.
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.check_output([python, "-c", ask], text=True).strip()
    here = subprocess.check_output([sys.executable, "-c", ask], text=True).strip()
    Path(own, "borrowed.pth").write_text(here + "\n")

    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE", "PYT"))}
    clean |= {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    Path(clean["HOME"]).mkdir()

    def run(*arguments):
        command = [*offline, python, "-m", *arguments]
        result = subprocess.run(
            command, cwd=unpacked, env=clean, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run("pip", "install", *options, "--editable", ".")
    where = [python, "-c", "import helpers; print(helpers.__file__)"]
    found = subprocess.check_output(where, cwd=tmp_path, env=clean, text=True).strip()
    assert Path(found).is_relative_to(unpacked)
    told = run("pytest", "--nbval", "-q", f"{CHAPTERS[1]}.ipynb")
    assert re.search(r"\d+ passed", told)
    assert "failed" not in told
