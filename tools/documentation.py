"""Where what chapters use is documented: ``python -m tools.documentation``.

It writes `_ext/documentation.toml`, a table of names and pages, from the chapters and
the installed libraries. The site and the plain flavour read the table, so that they
import none of the libraries.

A name is understood as its chapter means it: by the chapter's own imports, and, for a
method, by what was assigned to the variable. What a chapter defines itself is never
taken for a library's.
"""

import ast
import builtins
import importlib
import inspect
import json
import re
import tomllib
import typing
import warnings
from collections import defaultdict
from functools import cache, partial
from html import escape
from itertools import accumulate
from typing import NamedTuple

from tools.notebooks import FENCED, ROOT, chapters, code_cells, read, sections

TABLE = ROOT / "_ext" / "documentation.toml"
LIBRARIES = ("torch", "torchvision", "fastai", "lightning", "torchmetrics", "sklearn")
# Names that everybody gives to modules and classes, where a chapter imports nothing.
CUSTOMARY = {"nn": "torch.nn", "F": "torch.nn.functional", "Tensor": "torch.Tensor"}
TENSOR, MODULE = "torch.Tensor", "torch.nn.Module"
LOADER = "torch.utils.data.DataLoader"
# Where a class is looked for that prose names alone, with two humps at least.
COMMON = ("torch.nn", "torch.optim", "torch.utils.data")
CAMEL = re.compile(r"[A-Z]\w*[a-z\d][A-Z]\w*|[A-Z]{2,}\w*[a-z]\w*|[A-Z]\d[A-Z]\w+")
# What outputs begin with.
VALUE = "tensor"
# Words that mean something else where neither a dot nor a call says otherwise.
WORDS = {
    *dir(builtins),
    "cpu",
    "cuda",
    "dim",
    "double",
    "half",
    "long",
    "numpy",
    "size",
}


class Entry(NamedTuple):
    """A documented name."""

    page: str
    """Its address."""

    gives: str = ""
    """The class of what a call of it returns; empty if that isn't known."""


class Use(NamedTuple):
    """A place in code that names something documented."""

    name: str
    start: int
    end: int


@cache
def load():
    """Return the table: documented names, and what they are in it."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    return {name: Entry(*entry) for name, entry in table.items()}


def chain(node):
    """Return the parts of a name with dots, none if it is another expression."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *parts[::-1]] if isinstance(node, ast.Name) else []


def parse(source):
    """Parse code as it is typed; code that is no plain Python has no names."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse("")


class Chapter:
    """What the names of a notebook stand for.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    known : callable
        Takes a full name such as ``torch.nn.Linear`` and returns its `Entry`, or None.
    """

    def __init__(self, notebook, known):
        self.known = known
        self.imported, self.stars = {}, []
        self.defined, self.assigned = set(), set()
        self.bases = {}
        trees = [parse(cell.source) for cell in code_cells(notebook)]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        for node in nodes:
            self.note(node)
        # What a function uses may be assigned below it: the second time it is known.
        self.kinds = {}
        for _ in range(2):
            found = defaultdict(set)
            for node in nodes:
                for target, kind in self.assignments(node):
                    if key := ".".join(chain(target)):
                        found[key].add(kind)
            self.kinds = found
        self.ends = self.by_end(
            use for cell in code_cells(notebook) for use in self.uses(cell.source)
        )

    def note(self, node):
        """Note what an import or a definition names."""
        if isinstance(node, ast.Import):
            for part in node.names:
                name = part.asname or part.name.partition(".")[0]
                self.imported[name] = part.name if part.asname else name
        elif isinstance(node, ast.ImportFrom):
            for part in node.names:
                if part.name == "*":
                    self.stars.append(node.module)
                else:
                    name = part.asname or part.name
                    self.imported[name] = f"{node.module}.{part.name}"
        elif isinstance(node, ast.ClassDef):
            self.defined.add(node.name)
            self.bases[node.name] = [chain(base) for base in node.bases]
        elif isinstance(node, ast.FunctionDef):
            self.defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            self.assigned.add(node.id)
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            self.assigned.add(node.arg)

    def assignments(self, node):
        """List what a statement assigns to, and the class of what that gets."""
        if isinstance(node, ast.ClassDef):
            return [(ast.Name("self"), self.base(node.name))]
        if isinstance(node, ast.For | ast.comprehension):
            several = isinstance(node.target, ast.Tuple)
            batch = several and self.kind(node.iter) == LOADER
            return [(part, TENSOR if batch else "") for part in ast.walk(node.target)]
        if isinstance(node, ast.withitem) and node.optional_vars:
            return [(node.optional_vars, self.kind(node.context_expr))]
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            return []
        pairs = []
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            targets, values = [target], [node.value]
            if isinstance(target, ast.Tuple):
                targets = target.elts
                values = getattr(node.value, "elts", [])
                if len(values) != len(targets):
                    values = [None] * len(targets)
            pairs += zip(targets, map(self.kind, values), strict=True)
        return pairs

    def kind(self, node):
        """Return the class of what an expression gives, "" if that isn't known."""
        if isinstance(node, ast.Name | ast.Attribute):
            kinds = self.kinds.get(".".join(chain(node)), ())
            if len(kinds) == 1:
                return next(iter(kinds))
            if isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "grad"):
                return TENSOR if self.kind(node.value) == TENSOR else ""
        elif isinstance(node, ast.Call):
            parts = chain(node.func)
            if len(parts) == 1 and parts[0] in self.defined:
                return self.base(parts[0])
            if parts and (entry := self.known(self.full(parts))):
                return entry.gives
            if self.kind(node.func) == MODULE:
                return TENSOR
            if isinstance(node.func, ast.Attribute):
                kind = self.kind(node.func.value)
                entry = kind and self.known(f"{kind}.{node.func.attr}")
                return entry.gives if entry else ""
        elif isinstance(node, ast.Subscript):
            return TENSOR if self.kind(node.value) == TENSOR else ""
        elif isinstance(node, ast.UnaryOp):
            return TENSOR if self.kind(node.operand) == TENSOR else ""
        elif isinstance(node, ast.BinOp):
            return TENSOR if TENSOR in map(self.kind, (node.left, node.right)) else ""
        return ""

    def base(self, name):
        """Return the library's class from which one of the chapter is derived."""
        for parts in filter(None, self.bases.get(name, ())):
            if parts[0] in self.bases and parts[0] != name:
                return self.base(parts[0])
            if entry := self.known(self.full(parts)):
                return entry.gives
        return ""

    def full(self, parts):
        """Return the full name that a name with dots stands for, "" if none."""
        first, *others = parts
        if first in self.defined:
            return ""
        if first in self.imported:
            return ".".join([self.imported[first], *others])
        if first in self.assigned:
            return ""
        for module in self.stars:
            if self.known(name := ".".join([module, *parts])):
                return name
        if first in LIBRARIES:
            return ".".join(parts)
        if first in CUSTOMARY:
            return ".".join([CUSTOMARY[first], *others])
        return ""

    def uses(self, source):
        """List the documented names in code, by place, each as often as it is there."""
        found = []
        lines = [line.encode() for line in source.splitlines(keepends=True)]
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line.decode()))

        def offset(line, column):
            return starts[line - 1] + len(lines[line - 1][:column].decode())

        def visit(node):
            if isinstance(node, ast.Name | ast.Attribute):
                first = offset(node.lineno, node.col_offset)
                last = offset(node.end_lineno, node.end_col_offset)
                parts = chain(node)
                full = self.full(parts) if parts else ""
                # Before Python 3.12, places within f-strings may be wrong.
                typed = source[first:last]
                if full and self.known(full):
                    if typed.startswith(parts[0]) and typed.endswith(parts[-1]):
                        found.append(Use(full, first, last))
                    return
                if isinstance(node, ast.Attribute) and not full:
                    name = self.method(self.kind(node.value), node.attr)
                    if name and typed.endswith(f".{node.attr}"):
                        found.append(Use(name, last - len(node.attr), last))
            for child in ast.iter_child_nodes(node):
                visit(child)

        visit(parse(source))
        return sorted(found, key=lambda use: use.start)

    def method(self, kind, name):
        """Return the full name of a class's method, unless the chapter has its own."""
        full = f"{kind}.{name}"
        own = name in self.defined and kind != TENSOR
        return full if kind and not own and self.known(full) else ""

    @staticmethod
    def by_end(uses):
        """Map the last parts of full names to the full names."""
        ends = defaultdict(set)
        for use in uses:
            ends[use.name.rpartition(".")[2]].add(use.name)
        return ends

    def only(self, names):
        """Return the one name of several that lead to the same page, else ""."""
        pages = {self.known(name).page: name for name in sorted(names)}
        return next(iter(pages.values())) if len(pages) == 1 else ""

    def meant(self, text, here):
        """Return the full name that a name in prose stands for, "" if none.

        Parameters
        ----------
        text : str
            What is between the backticks: a name, perhaps with a dot before it,
            perhaps called.
        here : dict
            What `by_end` gives for the code of its section.
        """
        dot = text.startswith(".")
        try:
            node = ast.parse(text.removeprefix("."), mode="eval").body
        except SyntaxError:
            return ""
        called = isinstance(node, ast.Call)
        parts = chain(node.func if called else node)
        if not parts or (dot and len(parts) > 1):
            return ""
        *owner, last = parts
        if dot:
            return self.end(last, here, methods=True)
        full = self.full(parts)
        if full and self.known(full):
            return full
        if owner:
            kinds = self.kinds.get(".".join(owner), ())
            found = {full for kind in kinds if (full := self.method(kind, last))}
            if found or len(owner) > 1:
                return self.only(found)
            full = f"{self.end(*owner, here)}.{last}"
            return full if self.known(full) else ""
        if last == VALUE or (not called and (last in WORDS or last in self.assigned)):
            return ""
        if found := self.end(last, here):
            return found
        if last in self.defined or last in self.assigned or not CAMEL.fullmatch(last):
            return ""
        modules = {*COMMON, *self.imported.values()}
        names = (f"{module}.{last}" for module in modules)
        return self.only({name for name in names if self.known(name)})

    def end(self, name, here, methods=False):
        """Return the one full name in code that ends so: in the section, or at all.

        Where the chapter has that name itself, only a tensor's method can be meant.
        """
        own = name in self.defined
        for ends in (here,) if own else (here, self.ends):
            found = ends.get(name, ())
            if methods:
                found = [full for full in found if full.split(".")[-2][0].isupper()]
            if own:
                found = [full for full in found if full.startswith(f"{TENSOR}.")]
            if full := self.only(found):
                return full
        return ""


def groups(notebook, chapter):
    """Yield each section's cells, and what `by_end` gives for its code."""
    for cells in sections(notebook):
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        yield cells, chapter.by_end(use for text in code for use in chapter.uses(text))


# --- Markdown -------------------------------------------------------------------------

# What holds no names to link, and names: blocks, headings, links, code in a line.
PIECE = re.compile(
    r"^(?P<marks>`{3,}|:{3,}).*?^(?P=marks)[^\n]*|^(?P<heading>#[^\n]*)"
    r"|\[[^]]*\]\([^)]*\)|(?<!`)`(?P<name>[^`]+)`(?!`)",
    re.M | re.S,
)


def link_prose(notebook):
    """Return the Markdown of a notebook's cells, with names linked, by the cells' ids.

    In each section it is the first use of a name, outside of boxes.
    """
    chapter, made = Chapter(notebook, load().get), {}
    for cells, here in groups(notebook, chapter):
        link = partial(link_piece, chapter, here, set())
        for cell in cells:
            if cell.cell_type == "markdown":
                made[cell.id] = PIECE.sub(link, cell.source)
    return made


def link_piece(chapter, here, linked, piece):
    """Return a piece of Markdown, as a link where its page is not linked yet."""
    if piece["heading"]:
        linked.clear()
    name = piece["name"] and chapter.meant(piece["name"], here)
    page = name and chapter.known(name).page
    if not page or page in linked:
        return piece[0]
    linked.add(page)
    return f"[{piece[0]}]({page})"


# --- HTML -----------------------------------------------------------------------------

# A tag or a character of HTML.
TOKEN = re.compile(r"</[^>]*>|<[^>]*>|&#?\w+;|.", re.S)
# The class of links to documentation.
LINK = "documentation"


def link_code(html, links):
    """Put links around names in highlighted code.

    Parameters
    ----------
    html : str
        What is inside ``<pre>``.
    links : list of (str, int, int)
        Where a link leads, and the characters of the code that it goes from and to. It
        is left out where it would cut through a tag.
    """
    tokens = TOKEN.findall(html)
    places = [*accumulate((token[0] != "<" for token in tokens), initial=0)]
    for page, start, end in reversed(links):
        first = places.index(start)
        if tokens[first - 1] == "@":  # a decorator is one with its mark
            first = places.index(start - 1)
        while tokens[first].startswith("</"):
            first += 1
        last = places.index(end)
        depths = [*accumulate(map(depth, tokens[first:last]), initial=0)]
        while depths[-1] > 0 and tokens[last].startswith("</"):
            depths.append(depths[-1] - 1)
            last += 1
        if depths[-1] == 0 and min(depths) == 0:
            tokens[last:last] = ["</a>"]
            tokens[first:first] = [f'<a class="{LINK}" href="{escape(page)}">']
    return "".join(tokens)


def depth(token):
    """Return by how much a tag or a character opens what is inside."""
    return 0 if token[0] != "<" else -1 if token[1] == "/" else 1


# --- the table ------------------------------------------------------------------------

PYTORCH = "https://docs.pytorch.org/docs/stable/"
VISION = "https://docs.pytorch.org/vision/stable/"
FASTAI = "https://docs.fast.ai/"
LIGHTNING = "https://lightning.ai/docs/pytorch/stable/api/"
METRICS = "https://lightning.ai/docs/torchmetrics/stable/"
SKLEARN = "https://scikit-learn.org/stable/modules/generated/"

# Where libraries document what other places of theirs hold too.
PUBLIC = (
    "torch",
    "torch.nn",
    "torch.nn.functional",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
    "torch.utils.benchmark",
    "torchvision.models",
    "torchvision.transforms.v2",
    "torchvision.datasets",
    "lightning.pytorch.core",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.trainer.trainer",
    "torchmetrics.classification",
    "torchmetrics",
)
# Modules of PyTorch that are documented on one page each.
ON_ONE_PAGE = {
    "torch.amp": "amp",
    "torch.backends": "backends",
    "torch.distributed.fsdp": "distributed.fsdp.fully_shard",
    "torch.distributed": "distributed",
    "torch.nn.init": "nn.init",
    "torch.testing": "testing",
    "torch.utils.benchmark": "benchmark_utils",
    "torch.utils.data": "data",
    "torch.utils.tensorboard": "tensorboard",
}
# Names whose page follows no rule.
ELSEWHERE = {
    "torch.Tensor": "tensors.html#torch.Tensor",
    "torch.autocast": "amp.html#torch.autocast",
    "torch.device": "tensor_attributes.html#torch.device",
    "torch.finfo": "type_info.html#torch.finfo",
    "torch.iinfo": "type_info.html#torch.iinfo",
    "torch.inference_mode": "generated/torch.autograd.grad_mode.inference_mode.html",
    "torch.nn.Parameter": "generated/torch.nn.parameter.Parameter.html",
    "torch.optim.Optimizer": "optim.html#torch.optim.Optimizer",
    "torch.optim.swa_utils.update_bn": (
        "optim.html#taking-care-of-batch-normalization"
    ),
    "torch.relu": "generated/torch.nn.functional.relu.html",
    "torch.utils.tensorboard.SummaryWriter": (
        "tensorboard.html#torch.utils.tensorboard.writer.SummaryWriter"
    ),
}
# Classes whose methods count for all that are derived from them, the narrowest first.
FAMILIES = (
    TENSOR,
    "torchmetrics.Metric",
    "torchvision.transforms.v2.Transform",
    "lightning.pytorch.core.LightningModule",
    MODULE,
    "torch.optim.Optimizer",
    "torch.optim.lr_scheduler.LRScheduler",
    "fastai.learner.Learner",
    "fastai.data.core.DataLoaders",
)
# What functions give that do not say so themselves.
GIVES = {
    "fastai.data.block.DataBlock.dataloaders": "fastai.data.core.DataLoaders",
    "fastai.learner.load_learner": "fastai.learner.Learner",
    "fastai.vision.learner.vision_learner": "fastai.learner.Learner",
    "torch.nn.Module.to": MODULE,
    "torch.nn.functional.max_pool2d": TENSOR,
    "torchvision.models.resnet18": MODULE,
}
LITERAL = re.compile(r"(?<!`)`([^`]+)`(?!`)")
HEAD = """\
# Where the documentation of what chapters use is found, and the class of what a call
# gives. Written by `python -m tools.documentation`: don't edit it here.
"""
# In the first line of PyTorch's own help.
SIGNATURE = re.compile(r"-> (.+)")
PARTS = re.compile(r"(?<=model_summary)\.model_summary$")
TASK = re.compile(r"^(Binary|Multiclass|Multilabel)(?=[A-Z])")


@cache
def find(name):
    """Import what a full name stands for; return it and the class that holds it."""
    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:i]))
        except ImportError:
            continue
        owner = None
        for part in parts[i:]:
            owner, found = found, getattr(found, part, None)
        return found, owner if inspect.isclass(owner) else None
    return None, None


def library(thing):
    """Return the name of the library that a class or a function is from."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0]


def public(thing, name):
    """Return the full name under which a class or a function is documented."""
    own, module = getattr(thing, "__name__", ""), getattr(thing, "__module__", "")
    written = name.partition(".")[0] == library(thing)
    if library(thing) == "fastai":
        return f"{module}.{thing.__qualname__}"
    if written and library(thing) != "lightning":
        return name
    for place in PUBLIC:
        if module.startswith(place) and getattr(find(place)[0], own, None) is thing:
            return f"{place}.{own}"
    return f"{module.partition('._')[0]}.{own}"


def family(kind):
    """Return the full name of the class whose methods a class has."""
    for name in FAMILIES:
        if issubclass(kind, find(name)[0]):
            return name
    return public(kind, "") if library(kind) in LIBRARIES else ""


def given(thing, owner, name):
    """Return the class of what a call gives, "" if that isn't known."""
    if inspect.isclass(thing):
        return family(thing)
    if name in GIVES:
        return GIVES[name]
    if inspect.ismethod(thing) and thing.__name__.startswith("from_"):
        return family(thing.__self__)
    try:
        annotated = typing.get_type_hints(thing).get("return")
    except (AttributeError, NameError, TypeError):
        annotated = None
    if inspect.isclass(annotated):
        return family(annotated)
    if owner and annotated in (typing.Self, *getattr(thing, "__type_params__", ())):
        return family(owner)
    told = thing.__doc__ or ""
    returns = set(SIGNATURE.findall(told))
    several = "namedtuple" in told or ".. function::" in told
    return TENSOR if returns == {"Tensor"} and not several else ""


def page_of(thing, owner, name):
    """Return the address of what documents a class, a function or a method.

    Parameters
    ----------
    thing : object
    owner : type or None
        The class of which it is a method.
    name : str
        Its full name, as it is documented.
    """
    if library(thing) == "fastai":
        symbols = find("fastai._modidx")[0].d["syms"][thing.__module__]
        place = symbols.get(f"{thing.__module__}.{thing.__qualname__}")
        return FASTAI + place[0] if place else ""
    if owner and name.startswith(("torch.Tensor.", "torch.optim.Optimizer.")):
        return f"{PYTORCH}generated/{name}.html"
    if owner:
        page = page_of(owner, None, name.rpartition(".")[0])
        return f"{page.partition('#')[0]}#{name}" if page else ""
    base, _, _ = name.partition(".")
    if base == "torch":
        if name in ELSEWHERE:
            return PYTORCH + ELSEWHERE[name]
        if name.endswith("Tensor"):
            return f"{PYTORCH}tensors.html"
        for module, page in ON_ONE_PAGE.items():
            if name.startswith(f"{module}."):
                return f"{PYTORCH}{page}.html#{name}"
        return f"{PYTORCH}generated/{name}.html"
    if base == "torchvision":
        if name.startswith("torchvision.models."):
            page = name.removesuffix("_Weights").lower()
            mark = f"#{name}" if name.endswith("_Weights") else ""
            return f"{VISION}models/generated/{page}.html{mark}"
        return f"{VISION}generated/{name}.html"
    if base == "torchmetrics":
        if name == "torchmetrics.Metric":
            return f"{METRICS}references/metric.html#{name}"
        own = TASK.sub("", name.rpartition(".")[2])
        page = re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", own).lower()
        return f"{METRICS}classification/{page}.html#{name}"
    if base == "lightning":
        module, _, _ = name.rpartition(".")
        if module in PUBLIC:
            return f"{LIGHTNING}{name}.html#{name}"
        return f"{LIGHTNING}{PARTS.sub('', module)}.html"
    return f"{SKLEARN}{name}.html"


@cache
def look_up(name):
    """Return the `Entry` of a full name by importing it, None if it has none."""
    parts = name.split(".")
    if parts[0] not in LIBRARIES or any(part.startswith("_") for part in parts):
        return None
    thing, owner = find(name)
    if inspect.ismodule(thing) or not callable(thing):
        return None
    if owner:
        holders = [kind for kind in owner.__mro__ if parts[-1] in vars(kind)]
        # What comes from a class that nobody sees belongs to the one that shows it.
        shown = [kind for kind in holders if not kind.__name__.startswith("_")]
        if shown and not issubclass(owner, find(TENSOR)[0]):
            owner = shown[0]
        if library(owner) not in LIBRARIES:
            return None
        full = f"{public(owner, '')}.{parts[-1]}"
    elif (
        library(thing) not in LIBRARIES
        or getattr(thing, "__name__", "") != parts[-1]
        or not (
            inspect.isclass(thing)
            or inspect.isfunction(thing)
            or inspect.isbuiltin(thing)
        )
    ):
        return None
    else:
        full = public(thing, name)
    page = page_of(thing, owner, full)
    return Entry(page, given(thing, owner, full)) if page else None


def collect():
    """Return the table as it has to be for the chapters and the installed libraries."""
    found = {}

    def known(name):
        if entry := look_up(name):
            found[name] = entry
        return entry

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in chapters():
            notebook = read(path)
            chapter = Chapter(notebook, known)
            for cells, here in groups(notebook, chapter):
                for cell in cells:
                    if cell.cell_type == "markdown":
                        for text in LITERAL.findall(FENCED.sub("", cell.source)):
                            chapter.meant(text, here)
    return found


def written(table):
    """Return a table as text."""
    lines = [HEAD]
    for name, entry in sorted(table.items()):
        lines.append(f'"{name}" = {json.dumps([part for part in entry if part])}')
    return "\n".join(lines) + "\n"


def main():
    """Write the table."""
    table = collect()
    TABLE.write_text(written(table), "utf-8")
    print(f"{TABLE.relative_to(ROOT)} holds {len(table)} names")


if __name__ == "__main__":
    main()
