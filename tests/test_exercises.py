"""Each checker knows a stub, a solution, another solution, and each misconception."""

import ast
import contextlib
import importlib
import linecache
import re
import signal
import sys
import threading
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

import helpers._guard
import helpers.exercises
from helpers.data import _cache
from helpers.device import seed_everything
from helpers.exercises import call, call_as_is, check, exercise, explain, require
from tools import plain

ROOT = Path(__file__).parent.parent
LABEL = re.compile(r"\{exercise\}[^\n]*\n:label: (\S+)")
START = re.compile(r"\{solution-start\} (\S+)")
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


@cache
def cells(chapter):
    return nbformat.read(chapter, nbformat.NO_CONVERT).cells


@cache
def exercises(chapter):
    """Map labels to the sources of the stub and of the solution's first code cell."""
    found, label, part = {}, None, None
    for cell in cells(chapter):
        if cell.cell_type == "markdown":
            if stated := LABEL.search(cell.source):
                label, part = stated[1], 0
            elif started := START.search(cell.source):
                label, part = started[1], 1
        elif label and len(found.setdefault(label, [])) == part:
            found[label].append(cell.source)
    return found


def module_of(chapter):
    return importlib.import_module(
        f"{helpers.exercises.CHECKERS}.cases.{chapter.stem[3:]}"
    )


def cases(chapter):
    return module_of(chapter).CASES


def facts(chapter):
    """Map the titles of questions to code that proves their answers."""
    return getattr(module_of(chapter), "FACTS", {})


ALL = [(chapter, label) for chapter in NOTEBOOKS for label in cases(chapter)]
MUTANTS = [
    pytest.param(chapter, label, mutant, id=f"{label}-{number}")
    for chapter, label in ALL
    for number, mutant in enumerate(cases(chapter)[label].mutants, start=1)
]
OTHERS = [
    pytest.param(chapter, label, other, id=f"{label}-{number}")
    for chapter, label in ALL
    for number, other in enumerate(cases(chapter)[label].others, start=1)
]


@pytest.fixture(autouse=True)
def no_limit(monkeypatch):
    """Let no verdict depend on how fast the machine is today."""
    monkeypatch.setenv("COURSE_CHECK_SECONDS", "3600")


SOUND = set()


@pytest.fixture(autouse=True)
def data_are_looked_at_once(monkeypatch):
    """Let each file of a data set be checked once, and not for every answer."""
    look = _cache.fault

    def fault(folder):
        problem = None if folder in SOUND else look(folder)
        if problem is None:
            SOUND.add(folder)
        return problem

    monkeypatch.setattr(_cache, "fault", fault)


every_exercise = pytest.mark.parametrize(
    ("chapter", "label"), ALL, ids=[label for _, label in ALL]
)


def run(source, namespace, name):
    # So that inspect.getsource finds the lines.
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), namespace)


@cache
def prepared(chapter, needs):
    namespace = {"__name__": "__main__"}
    sources = {cell.id: cell.source for cell in cells(chapter)}
    for name in needs:
        run(sources[name], namespace, f"<{chapter.stem}:{name}>")
    return namespace


def output_of(chapter, label, answer, capsys):
    """Run what the exercise needs, its stub, and an answer; return the last verdict."""
    namespace = dict(prepared(chapter, cases(chapter)[label].needs), check=check)
    stub = exercises(chapter)[label][0]
    seed_everything()  # what checkers draw follows COURSE_SEED: `make seeds`
    for number, source in enumerate([stub, *answer]):
        capsys.readouterr()
        run(source, namespace, f"<{label}:{number}>")
    said = " ".join(capsys.readouterr().out.split())
    return said.rpartition(f"{helpers.exercises.EXERCISES[label].name}: ")[2]


def call_of_check(chapter, label):
    """Return the last line of the stub, which must be the call of `check`."""
    last = ast.parse(exercises(chapter)[label][0]).body[-1]
    source = ast.unparse(last)
    assert source.startswith(f"check({label!r}"), "the stub ends with another line"
    return source


@every_exercise
def test_stub_is_not_solved(chapter, label, capsys):
    call_of_check(chapter, label)
    said = output_of(chapter, label, [], capsys)
    assert said.startswith("not solved yet. Hint: ")


@every_exercise
def test_solution_is_right(chapter, label, capsys):
    solution = exercises(chapter)[label][1]
    assert ast.unparse(ast.parse(solution).body[-1]) == call_of_check(chapter, label)
    assert output_of(chapter, label, [solution], capsys).startswith("right. ")


@pytest.mark.parametrize(("chapter", "label", "other"), OTHERS)
def test_another_solution_is_right(chapter, label, other, capsys):
    answer = f"{other}\n{call_of_check(chapter, label)}"
    assert output_of(chapter, label, [answer], capsys).startswith("right. ")


@pytest.mark.parametrize(("chapter", "label", "mutant"), MUTANTS)
def test_misconception_is_named(chapter, label, mutant, capsys):
    solution = exercises(chapter)[label][1]
    assert mutant.old in solution
    mutated = solution.replace(mutant.old, mutant.new)
    said = output_of(chapter, label, [mutated], capsys)
    assert said.startswith("not yet. ")
    assert mutant.hint in said


@pytest.fixture(scope="module")
def plain_course():
    return plain.Course()


# How jupyterlab-myst numbers the exercises of a notebook: each that does not forbid it.
STATED = re.compile(r"^:{3,}\{exercise(?:-start)?\} *(.*)\n((?::[\w-]+:.*\n)*)", re.M)


@pytest.mark.parametrize("chapter", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exercise_has_one_name_everywhere(chapter, plain_course):
    """The site has it too: test_site.py."""
    text = "\n".join(cell.source for cell in cells(chapter))
    titles, options = zip(*STATED.findall(text), strict=True)
    assert not re.search("number|enumerated", "".join(options))
    in_jupyterlab = [f"Exercise {i} ({title})" for i, title in enumerate(titles, 1)]
    labels = list(exercises(chapter))
    assert [helpers.exercises._find(one).name for one in labels] == in_jupyterlab
    assert [plain_course.exercises[one].heading for one in labels] == in_jupyterlab


@pytest.mark.parametrize("chapter", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_exercise_has_checker_and_misconceptions(chapter):
    stated = set(exercises(chapter))
    assert stated == set(cases(chapter))
    name = f"{helpers.exercises.CHECKERS}.{chapter.stem[3:]}"
    importlib.import_module(name)
    registered = helpers.exercises.EXERCISES
    assert stated == {
        label for label, one in registered.items() if one.checker.__module__ == name
    }
    modules = helpers.exercises._modules()
    assert stated == {label for label in modules if modules[label] == name}
    assert len(stated) >= 6
    for label, case in cases(chapter).items():
        assert len(case.mutants) >= 2, label
        # Beside the chapter's own.
        assert len({ast.dump(ast.parse(other)) for other in case.others}) >= 3, label


FACTS = [
    pytest.param(chapter, title, id=f"{chapter.stem}-{title}")
    for chapter in NOTEBOOKS
    for title in facts(chapter)
]


@pytest.mark.parametrize(("chapter", "title"), FACTS)
def test_answer_to_a_question_is_true(chapter, title):
    text = "\n".join(cell.source for cell in cells(chapter))
    assert f"**{title}.**" in text
    run(facts(chapter)[title], {"__name__": "__main__"}, f"<{chapter.stem}:{title}>")


def verdict_on(source, capsys):
    """Run a reader's cell, and return what its `check` says after the label."""
    run(source, {"__name__": "__main__", "check": check}, "<a reader's cell>")
    return " ".join(capsys.readouterr().out.split()).partition(": ")[2]


HINTS = ("a hint.", "a stronger one.")
UNSOLVED = 'not solved yet. Hint: a hint. For more, ask check("ex-tried", hint=2).'


@pytest.fixture
def tried(capsys):
    """Return a function that tells the verdict of a checker of its own on a cell.

    The cell has to define `answer`.
    """

    def verdict(source, checker, **settings):
        helpers.exercises.EXERCISES.pop("ex-tried", None)
        texts = {"title": "Tried", "hints": HINTS, "shown": "a fact."}
        exercise("ex-tried", **texts, **settings)(checker)
        return verdict_on(f"{source}\ncheck('ex-tried', answer)\n", capsys)

    yield verdict
    helpers.exercises.EXERCISES.pop("ex-tried", None)


def anything(answer):
    """Check nothing: what matters is whether the answer counts as one."""


def called(answer):
    call(answer)


STUBS = [
    "answer = ...",
    "answer = [1, ...]",
    "answer = {'a': 1, 'b': ...}",
    "def answer(x): ...",
    "def answer(x):\n    'What to do.'\n    ...",
    "def answer(x):\n    'What to do.'",
    "def answer(x):\n    return ...",
    "def answer(x):\n    pass",
    "import torch\n@torch.no_grad()\ndef answer(x): ...",
    "answer = lambda x: ...",
    "class Answer(dict): ...\nanswer = Answer",
    "class Answer(dict):\n    'What to do.'\n    ...\nanswer = Answer",
    "class Answer:\n    size = 1\n    def step(self): ...\nanswer = Answer",
    "class Answer:\n    def step(self):\n        return ...\nanswer = Answer",
]


@pytest.mark.parametrize("source", STUBS)
def test_what_a_stub_has_is_not_solved(source, tried):
    said = tried(source, anything, methods=["step"])
    assert said == UNSOLVED


ANSWERS = [
    "answer = None",
    "answer = []",
    "answer = ''",
    "answer = {}",
    "answer = [None]",
    "class Answer(dict): pass\nanswer = Answer",
    "class Answer(dict): size = 1\nanswer = Answer",
    "class Answer(dict):\n    'Nothing to add.'\nanswer = Answer",
    "answer = type('Answer', (dict,), {})",
    "class Answer:\n    @staticmethod\n    def one(): return 1\nanswer = Answer",
    "class Answer:\n    @classmethod\n    def one(cls): return 1\nanswer = Answer",
    "class Answer:\n    @property\n    def one(self): return 1\nanswer = Answer",
    "class Answer:\n    def forgotten(self): ...\n    def step(self): return 1\n"
    "answer = Answer",
    "class Answer:\n    def forgotten(self): pass\nanswer = Answer",
    "class Answer:\n    def __init__(self): self.back = lambda: None\nanswer = Answer",
    "class Answer: ...\nclass Answer(Answer): size = 1\nanswer = Answer",
    "class Inner: ...\nclass Answer(Inner): pass\nanswer = Answer",
    "def answer(x):\n    def back():\n        pass\n    return back",
    "def answer(x):\n    return None",
    "answer = lambda x: None",
    "def answer(x):\n    x.clear()",
    "def answer(x):\n    yield",
]


@pytest.mark.parametrize("source", ANSWERS)
def test_what_is_no_stub_is_judged(source, tried):
    assert tried(source, anything, methods=["step"]) == "right. a fact."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = 1", "`answer` gives None back: where is its `return`?"),
        ("return print()", "`answer` returned None: either what stands after"),
        ("return None", "`answer` returned None: either what stands after"),
        ("if 0: return 1", "`answer` returned None: either what stands after"),
        ("list(map(lambda a: a, []))\n    def b(): return 1", "where is its `return`?"),
    ],
)
def test_none_is_told_from_a_forgotten_return(body, said, tried):
    assert said in tried(f"def answer():\n    {body}", called)
    assert said in tried(
        f"import torch\n@torch.no_grad()\ndef answer():\n    {body}", called
    )


def test_result_that_is_open_is_not_solved(tried):
    said = tried("def answer():\n    x = 1\n    return x and ...", called)
    assert said == UNSOLVED


def test_error_beside_a_none_says_so(tried):
    said = tried("answer = [3, 1].sort()", lambda answer: answer.shape)
    assert said == (
        "not yet. The check cannot use your answer: AttributeError: 'NoneType' object "
        "has no attribute 'shape'. One of your answers is None."
    )


def test_call_hands_over_copies():
    parameter = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    parameter.sum().backward()
    table = torch.arange(12.0).reshape(3, 4).T
    layer = torch.nn.Linear(2, 1)
    made = parameter * 2
    given = {
        "parameter": parameter,
        "tensors": [table, (table, table[1:])],
        "array": np.ones(3),
        "layer": layer,
        "state": layer.state_dict(),
        "made": made,
    }
    function = object()

    def spoil(given, other):
        assert other is function
        copy = given["parameter"]
        assert isinstance(copy, torch.nn.Parameter)
        assert copy.is_leaf
        assert copy.requires_grad
        assert copy.dtype == torch.float64
        assert torch.autograd.grad(given["made"].sum(), parameter)[0].tolist() == [2, 2]
        first, (second, rows) = given["tensors"]
        assert first is second
        assert first.stride() == table.stride()
        assert first.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr()
        assert type(given["state"]) is type(layer.state_dict())
        with torch.no_grad():
            for one in [
                copy,
                first,
                given["made"],
                *given["state"].values(),
            ]:
                one.zero_()
            given["layer"].weight.zero_()
        given["array"][:] = 0
        given["tensors"].clear()
        return given.popitem()

    weight = layer.weight.clone()
    call(spoil, given, other=function)
    assert len(given) == 6
    assert len(given["tensors"]) == 2
    assert parameter.tolist() == parameter.grad.tolist() == [1, 1]
    assert made.tolist() == [2, 2]
    assert table.sum() == 66
    assert given["array"].sum() == 3
    assert torch.equal(layer.weight, weight)


def test_call_as_is_hands_over_the_arguments():
    given, layer = torch.ones(2), torch.nn.Linear(2, 1)
    assert call_as_is(lambda *all_: all_, given, layer) == (given, layer)


def test_answer_that_changes_its_arguments_does_not_move_the_truth(capsys):
    said = verdict_on(
        "def best_films(films, tastes):\n"
        "    films.data.copy_(films.flip(0))\n"
        "    return (tastes @ films.T).argmax(dim=1)\n"
        "check('ex-films', best_films)\n",
        capsys,
    )
    assert said.startswith("not yet. ")


def test_what_a_cell_has_replaced_does_not_judge(tried, monkeypatch):
    def always(*_, **__):
        return True

    def checker(answer):
        require(torch.allclose(answer, torch.ones(2)), "no ones.")
        require(answer.equal(torch.ones(2)), "no ones.")
        require(np.allclose(answer, 1), "no ones.")

    for owner, name in [
        (torch, "allclose"),
        (torch.Tensor, "equal"),
        (np, "allclose"),
        (torch.nn.Linear, "forward"),
    ]:
        monkeypatch.setattr(owner, name, always)
    monkeypatch.delattr(torch, "ones_like")
    source = "import torch\nanswer = torch."
    assert tried(f"{source}zeros(2)", checker) == "not yet. no ones."
    assert tried(f"{source}ones(2)", checker) == "right. a fact."
    # What a cell has replaced on purpose stays replaced.
    assert torch.allclose is torch.Tensor.equal is np.allclose is always
    assert torch.nn.Linear.forward is always
    assert not hasattr(torch, "ones_like")


def test_what_an_answer_replaces_when_it_is_called_does_not_judge(tried, monkeypatch):
    def checker(answer):
        # A checker may watch or imitate a function; that outlives the call.
        with monkeypatch.context() as imitated:
            imitated.setattr(torch, "numel", lambda _: 7)
            got = call(answer)
            assert torch.numel(got) == 7
        require(torch.allclose(got, torch.ones(2)), "no ones.")

    source = (
        "import torch\ndef answer():\n"
        "    torch.allclose = lambda *_, **__: True\n"
        "    torch.numel = len\n"
        "    return torch."
    )
    assert tried(f"{source}zeros(2)", checker) == "not yet. no ones."
    assert tried(f"{source}ones(2)", checker) == "right. a fact."


CHANGES = [
    ("torch.allclose = lambda *_, **__: True", "torch.allclose"),
    (
        "torch.allclose = functools.wraps(torch.allclose)(lambda *_: 1)",
        "torch.allclose",
    ),
    ("torch.Tensor.sum = torch.Tensor.mean", "torch.Tensor.sum"),
    ("torch.nn.functional.relu = abs", "torch.nn.functional.relu"),
    ("torch.nn.ReLU.forward = lambda self, x: x", "torch.nn.ReLU.forward"),
    ("del torch.randn", "hasattr(torch, 'randn')"),
    ("torch.cuda.is_available = lambda: True", "torch.cuda.is_available"),
    ("np.mean = np.sum", "np.mean"),
    ("random.random = lambda: 4", "random.random"),
    ("time.time = lambda: 0", "time.time"),
    ("torch.set_default_device('meta')", "torch.get_default_device()"),
    ("torch.set_default_dtype(torch.float64)", "torch.get_default_dtype()"),
    ("torch.set_grad_enabled(False)", "torch.is_grad_enabled()"),
    (
        "answer.kept = torch.inference_mode(); answer.kept.__enter__()",
        "torch.is_inference_mode_enabled()",
    ),
    ("torch.autograd.set_detect_anomaly(True)", "torch.is_anomaly_enabled()"),
    (
        "torch.set_autocast_enabled('cpu', True)",
        "torch.is_autocast_enabled('cpu')",
    ),
    (
        "torch.use_deterministic_algorithms(True)",
        "torch.are_deterministic_algorithms_enabled()",
    ),
    (
        "torch.utils.deterministic.fill_uninitialized_memory ^= True",
        "torch.utils.deterministic.fill_uninitialized_memory",
    ),
    (
        "torch.backends.cudnn.benchmark ^= True",
        "torch.backends.cudnn.benchmark",
    ),
    (
        "torch.backends.cudnn.deterministic ^= True",
        "torch.backends.cudnn.deterministic",
    ),
    (
        "torch.set_float32_matmul_precision('medium')",
        "torch.get_float32_matmul_precision()",
    ),
    ("torch.set_num_threads(torch.get_num_threads() + 1)", "torch.get_num_threads()"),
    ("torch.set_warn_always(True)", "torch.is_warn_always_enabled()"),
    ("torch.set_printoptions(precision=1)", "str(torch.rand(2, generator=g()))"),
    ("np.set_printoptions(precision=1)", "str(np.pi * np.ones(2))"),
    ("np.seterr(all='raise')", "np.geterr()"),
    ("warnings.simplefilter('error')", "list(warnings.filters)"),
    ("warnings.showwarning = print", "warnings.showwarning"),
    ("sys.setrecursionlimit(4321)", "sys.getrecursionlimit()"),
    ("sys.stdout = sys.stderr = io.StringIO()", "(sys.stdout, sys.stderr)"),
    ("os.chdir('/')", "os.getcwd()"),
    ("os.environ['A_NEW_ONE'] = '1'; os.environ.pop('PATH')", "dict(os.environ)"),
    ("random.random()", "random.getstate()"),
    ("np.random.rand()", "np.random.get_state()[1:3]"),
    ("torch.rand(1)", "torch.get_rng_state().tolist()"),
    ("torch.manual_seed(1)", "torch.get_rng_state().tolist()"),
]


@pytest.mark.parametrize("end", ["return 1", "raise SystemExit", "1 / 0"])
@pytest.mark.parametrize(("change", "state"), CHANGES)
def test_check_leaves_everything_as_it_was(change, state, end, tried):
    names = "functools, io, os, random, sys, time, warnings"
    space = {"np": np, "torch": torch, "g": lambda: torch.Generator().manual_seed(1)}
    exec(f"import {names}", space)
    before, stayed = eval(state, space), []

    def checker(answer):
        try:
            answer()  # `call` itself undoes what was replaced
        finally:
            stayed.append(repr(eval(state, space)) == repr(before))

    # What an answer does has to be undone, and it has to have happened.
    tried(
        f"import {names}, torch, numpy as np\ndef answer():\n    {change}\n    {end}",
        checker,
    )
    assert repr(eval(state, space)) == repr(before)
    assert stayed == [False]


def test_check_runs_under_the_defaults(tried):
    def checker(answer):
        require(torch.ones(1).device.type == "cpu", "another device.")
        require(torch.ones(1).dtype == torch.float32, "another dtype.")
        require(torch.ones(1, requires_grad=True).mul(2).requires_grad, "no autograd.")
        require(not torch.ones(1).is_inference(), "inference mode.")

    try:
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        with torch.inference_mode():
            assert tried("answer = 1", checker) == "right. a fact."
            assert torch.is_inference_mode_enabled()
        assert torch.get_default_device().type == "meta"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


def test_random_states_of_all_devices_are_kept(tried, monkeypatch, recwarn):
    generators = {f"xpu:{i}": torch.Generator().manual_seed(i) for i in range(3)}

    class Devices:
        @staticmethod
        def device_count():
            return len(generators)

        @staticmethod
        def get_rng_state(device="xpu"):
            return generators[str(device)].get_state()

        @staticmethod
        def set_rng_state(state, device="xpu"):
            generators[str(device)].set_state(state)

    monkeypatch.setattr(helpers._guard, "_kinds", lambda: ["cpu", "xpu"])
    monkeypatch.setattr(torch, "xpu", Devices)
    before = [one.get_state() for one in generators.values()]

    def checker(answer):
        for generator in generators.values():
            torch.rand(3, generator=generator)

    assert tried("answer = 1", checker) == "right. a fact."
    for state, generator in zip(before, generators.values(), strict=True):
        assert torch.equal(state, generator.get_state())
    assert not recwarn


UNEXPECTED = [
    ("import sys; sys.exit(3)", "SystemExit: 3"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise StopIteration", "StopIteration"),
    ("raise MemoryError", "MemoryError"),
    ("return answer()", "RecursionError: maximum recursion depth exceeded"),
    ("raise BaseException('mine')", "BaseException: mine"),
    ("raise type('Odd', (BaseException,), {'__str__': lambda s: s.x})", "Odd"),
    ("raise type('Odd', (Exception,), {'__str__': lambda s: exit(s)})", "Odd"),
    ("import time\n    time.sleep = None\n    raise ValueError(1)", "ValueError: 1"),
]


@pytest.mark.parametrize(("body", "said"), UNEXPECTED)
def test_whatever_an_answer_raises_there_is_a_verdict(body, said, tried):
    def checker(answer):
        with explain(LookupError, "it is not this."):
            call(answer)

    verdict = tried(f"def answer():\n    {body}", checker)
    assert verdict.startswith("not yet. Your code stopped at `")
    assert f"` with {said}" in verdict


ODD = """
class Odd:
    def fail(self, *_):
        raise SystemExit("odd")
    __eq__ = __bool__ = __len__ = __iter__ = __repr__ = __str__ = __hash__ = fail
    __getitem__ = __call__ = __float__ = __array__ = __getattr__ = fail
    __class__ = %s
answer = Odd()
"""


@pytest.mark.parametrize("kind", ["int", "list", "dict", "type", "property(fail)"])
@pytest.mark.parametrize(
    "checker",
    [
        lambda answer: require(answer == 1, "no."),
        lambda answer: require(answer, f"{answer!r}"),
        lambda answer: call(answer, answer, [answer]),
        lambda answer: len(answer) and answer[0],
        lambda answer: require(torch.equal(answer, torch.ones(1)), "no."),
    ],
)
def test_odd_objects_get_a_verdict(kind, checker, tried):
    assert tried(ODD % kind, checker).startswith("not yet. ")


def test_error_in_a_cell_above_is_found(tried):
    space = {"__name__": "__main__"}
    run("def above():\n    return 1 / 0\n", space, "<a cell above>")
    helpers.exercises.above = space["above"]
    try:
        said = tried("from helpers.exercises import above as answer", called)
    finally:
        del helpers.exercises.above
    assert said.startswith("not yet. Your code stopped at `return 1 / 0` with ")


@pytest.mark.parametrize(
    "label", ["[]", "{}", "None", "...", "3", "check", "type('S', (str,), {})('a')"]
)
def test_label_that_is_none_gets_a_verdict(label, capsys):
    said = verdict_on(f"check({label}, 1)", capsys)
    assert said.startswith("the first argument is the label of an exercise, a string")


def test_hint_is_given_without_a_verdict(tried, capsys):
    def refused(answer):
        raise AssertionError("nothing is to be judged")

    for cell in ("check('ex-tried', answer, hint={})", "check('ex-tried', hint={})"):
        tried("answer = ...", refused)
        run(cell.format(1), {"check": check, "answer": 3}, "<first>")
        run(cell.format(2), {"check": check, "answer": 3}, "<second>")
        assert " ".join(capsys.readouterr().out.split()) == (
            "Exercise 1 (Tried), hint 1: a hint. For more, ask check("
            '"ex-tried", hint=2). Exercise 1 (Tried), hint 2: a stronger one.'
        )


@pytest.mark.parametrize("width", range(30))
def test_what_a_reader_is_to_type_is_not_torn(width, tried, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "HINTS", ("a " * width + "hint.", "b."))
    tried("answer = ...", anything)
    check("ex-tried", hint=1)
    assert 'check("ex-tried", hint=2).\n' in capsys.readouterr().out


@pytest.mark.parametrize("hint", ["0", "3", "-1", "'2'", "True", "2.0", "[2]", "..."])
def test_hint_that_there_is_not_is_said(hint, tried, capsys):
    tried("answer = ...", anything)
    said = verdict_on(f"check('ex-tried', 1, hint={hint})", capsys)
    assert said == (
        f"`hint` has to be 1 or 2, and is {eval(hint)!r}. Leave it out to have your "
        "answer checked."
    )


def test_hint_that_cannot_be_shown_gets_an_answer(tried, capsys):
    tried("answer = ...", anything)
    said = verdict_on(f"{ODD % 'int'}\ncheck('ex-tried', hint=answer)", capsys)
    assert said.startswith(("`hint` has to be 1 or 2", "the check itself has failed"))


def test_hint_for_an_unknown_label_names_the_nearest(capsys):
    said = verdict_on("check('ex-slice', hint=1)", capsys)
    assert said.startswith("there is no exercise of this name. Did you mean ex-slices")


@pytest.mark.parametrize(
    "hints", ["ab", (), ("a.",), ["a.", "b."], ("a.", "b.", "c."), ("a.", 2), None]
)
def test_exercise_has_two_hints(hints):
    with pytest.raises(ValueError, match="hints must be two strings in a tuple, got "):
        exercise("ex-tried", title="Tried", hints=hints, shown="a fact.")


def test_unknown_label_names_the_nearest(capsys):
    said = verdict_on("check('ex-slice', 1)", capsys)
    assert said.startswith("there is no exercise of this name. Did you mean ex-slices")


ENDLESS = [
    "while True: pass",
    "while True:\n        try: time.sleep(0)\n        except Exception: pass",
    "while True:\n        try: time.sleep(0)\n        except: pass",
    "while True:\n        try:\n            try: sum([1])\n            except: 1\n"
    "        except: 1\n        finally: abs(1)",
    "while True:\n        try:\n            for _ in range(3): time.sleep(0)\n"
    "        except: pass",
    "with torch.no_grad():\n        while True:\n            try: time.sleep(0)\n"
    "            except: pass",
    "try:\n        while True: pass\n    finally: tidied.append(1)",
    "class Odd(Exception):\n        def __str__(self):\n            while True: pass\n"
    "    raise Odd",
]


@pytest.mark.parametrize("body", ENDLESS)
def test_endless_answer_is_stopped_and_not_judged(body, tried, monkeypatch):
    monkeypatch.setenv("COURSE_CHECK_SECONDS", "0.1")
    threads, tidied = threading.active_count(), []

    def checker(answer):
        with contextlib.ExitStack() as stack:
            stack.callback(tidied.append, "checker")
            call(answer, tidied)

    said = tried(f"import time, torch\ndef answer(tidied):\n    {body}", checker)
    assert said.startswith("not finished after 0.1 s, so this was not judged. ")
    assert "wrong" not in said
    # Nothing is left behind that could stop what comes next.
    assert tidied[-1] == "checker"
    assert threading.active_count() == threads
    assert sys.gettrace() is None
    assert sum(map(abs, range(10**5))) == sum(range(10**5))


def test_exercise_can_have_a_limit_of_its_own(tried, monkeypatch):
    monkeypatch.delenv("COURSE_CHECK_SECONDS")
    said = tried("def answer():\n    while 1: pass", called, seconds=0.2)
    assert said.startswith("not finished after 0.2 s")


@pytest.mark.parametrize("source", ["1", "..."])
def test_nothing_watches_after_a_check(source, tried):
    threads = threading.enumerate()
    tried(f"answer = {source}", anything)
    assert threading.enumerate() == threads


@pytest.mark.parametrize("seconds", ["a", "0", "-1", "nan", "inf"])
def test_limit_that_is_no_number_is_said(seconds, tried, monkeypatch):
    monkeypatch.setenv("COURSE_CHECK_SECONDS", seconds)
    said = tried("answer = 1", anything)
    assert said.startswith(f"COURSE_CHECK_SECONDS is '{seconds}', and has to be")


@pytest.fixture
def interruptible():
    """Let an interrupt be heard: what runs in the background was started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "body",
    [
        "signal.raise_signal(signal.SIGINT)",
        "try: signal.raise_signal(signal.SIGINT)\n    except: pass\n    return 1",
    ],
)
def test_interrupt_by_a_person_goes_on(body, tried, capsys, interruptible):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tried(f"import signal\ndef answer():\n    {body}", called)
    assert "you stopped the check, so this was not judged." in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is handler


def test_error_outside_of_the_checker_judges_nothing(tried, monkeypatch):
    monkeypatch.setattr(helpers.exercises, "guarded", lambda *_: 1 / 0)
    said = tried("answer = 1", anything)
    assert said.startswith("the check itself has failed, with ZeroDivisionError")


def test_check_works_in_another_thread(tried):
    said = []
    thread = threading.Thread(target=lambda: said.append(tried("answer = 1", anything)))
    thread.start()
    thread.join()
    assert said == ["right. a fact."]


def test_forgotten_return_is_no_missing_answer(capsys):
    said = verdict_on(
        "def batch_sizes(n, batch_size, drop_last=False):\n"
        "    sizes = [batch_size] * (n // batch_size)\n"
        "check('ex-batches', batch_sizes)\n",
        capsys,
    )
    assert said == "not yet. `batch_sizes` gives None back: where is its `return`?"


def test_error_in_an_answer_names_the_line_and_the_cell_above(capsys):
    said = verdict_on(
        "def batch_sizes(n, batch_size, drop_last=False):\n"
        "    full = n // batch_size\n"
        "    return full_batches(full)\n"
        "check('ex-batches', batch_sizes)\n",
        capsys,
    )
    assert "stopped at `return full_batches(full)` with NameError" in said
    assert said.endswith("If a cell above defines it, run that cell first.")


def test_error_outside_of_an_answer_is_not_blamed_on_its_code(capsys):
    said = verdict_on(
        "def batch_sizes(n):\n    return [n]\ncheck('ex-batches', batch_sizes)\n",
        capsys,
    )
    assert "The check cannot use your answer: TypeError: batch_sizes()" in said


@pytest.mark.parametrize("chapter", NOTEBOOKS, ids=lambda path: path.stem)
def test_folded_prose_begins_with_a_label(chapter):
    # JupyterLab shows the first line of a folded cell.
    inside = False
    for cell in cells(chapter):
        if "{solution-" in cell.source:
            inside = "{solution-start}" in cell.source
        elif inside and cell.cell_type == "markdown":
            first = cell.source.splitlines()[0]
            assert len(first) <= 60, first
            assert not first.endswith("."), first
