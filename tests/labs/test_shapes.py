"""Chapter 3's lab on shapes says what PyTorch says, strides and messages included."""

import random
import re
from functools import cache
from math import prod

import pytest
import torch

from helpers.labs import ROOT

PIN = re.search(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)[1]
same_version = pytest.mark.skipif(
    torch.__version__.partition("+")[0] != PIN,
    reason=f"the messages are those of torch {PIN}",
)
OPERATIONS = {
    "+": lambda a, b: a + b,
    "@": lambda a, b: a @ b,
    "cat": lambda a, b, dim: torch.cat([a, b], dim),
    "stack": lambda a, b, dim: torch.stack([a, b], dim),
    "reshape": torch.Tensor.reshape,
    "view": torch.Tensor.view,
    "permute": torch.Tensor.permute,
    "transpose": torch.Tensor.transpose,
    "unsqueeze": torch.Tensor.unsqueeze,
    "squeeze": torch.Tensor.squeeze,
    "expand": torch.Tensor.expand,
}
CASES = 2000  # of each operation
# Results of the lab, each with the entries of the result in order.
RUN = """(cases) => {
  const {run, unravel, place, compact, product} = labs.compute.shapes;
  return cases.map(([name, tensors, options, entries]) => {
    const {from, ...result} = run(name, tensors, options);
    if (result.error) return result;
    const entry = ([which, at]) =>
      entries[which][place(at, compact(tensors[which].shape).stride)];
    const values = Array.from({length: product(result.shape)}, (_, position) => {
      const there = from(unravel(position, result.shape)).map(entry);
      return name === "@"
        ? there.reduce((sum, x, i) => (i % 2 ? sum : sum + x * there[i + 1]), 0)
        : there.reduce((x, y) => x + y);
    });
    return {...result, values};
  });
}"""


def count_up(shape, start=0):
    return torch.arange(start, start + prod(shape)).reshape(shape)


class Chance:
    """Random tensors and options, many of which fit and many of which don't."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def often(self, share):
        return self.random.random() < share

    def order(self, count):
        return self.random.sample(range(count), count)

    def dim(self, dims):
        return (
            self.random.randint(-dims - 1, dims)
            if self.often(0.9)
            else self.random.choice([-7, 7])
        )

    def shape(self, dims=(0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5)):
        sizes = [0, 1, 1, 1, 2, 2, 3, 3, 4]
        return self.random.choices(sizes, k=self.random.choice(dims))

    def tensor(self):
        """Return a tensor that may be permuted, have gaps or be stretched."""
        tensor = count_up(self.shape())
        chance = self.random.random()
        if chance < 0.1 and tensor.dim():
            tensor = tensor[..., ::2]
        elif chance < 0.2 and tensor.dim():
            tensor = tensor[::2]
        elif chance < 0.3:
            tensor = tensor.expand([s if s != 1 else 3 for s in tensor.shape])
        elif chance < 0.35:
            tensor = tensor.expand(self.random.randint(0, 3), *tensor.shape)
        elif chance < 0.4 and tensor.dim() == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor.permute(self.order(tensor.dim())) if self.often(0.4) else tensor

    def changed(self, shape):
        """Return a shape that differs here and there."""
        shape = list(shape)
        if shape and self.often(0.5):
            at = self.random.randrange(len(shape))
            shape[at] = self.random.choice([0, 1, 2, 3])
        return shape

    def second(self, operation, a):
        """Return another tensor for an operation on two."""
        shape = list(a.shape)
        if self.often(0.07):
            shape = self.shape()
        elif operation == "+":
            shape = [
                s if self.often(0.75) else self.random.choice([1, 1, 0, 2])
                for s in shape
            ]
            shape = (
                shape[self.random.randint(0, len(shape)) :]
                if self.often(0.3)
                else shape
            )
            shape = [self.random.randint(1, 3), *shape] if self.often(0.2) else shape
        elif operation == "@":
            inner = (
                shape[-1] if shape and self.often(0.85) else self.random.randint(0, 3)
            )
            batch = [s if self.often(0.75) else 1 for s in shape[:-2]]
            batch = self.changed(batch) if self.often(0.2) else batch
            batch = batch[self.random.randint(0, len(batch)) :]
            columns = self.random.randint(0, 3)
            shape = [inner] if self.often(0.25) else [*batch, inner, columns]
        else:
            shape = [0] if self.often(0.1) else self.changed(shape)
        return count_up(shape, a.numel() if operation in ("cat", "stack") else 0)

    def target(self, entries):
        """Return a new shape, most often with as many entries."""
        shape = []
        while entries > 1 and len(shape) < 4:
            factor = self.random.choice(
                [d for d in range(1, entries + 1) if entries % d == 0]
            )
            shape.append(factor)
            entries //= factor
        shape.append(entries)
        self.random.shuffle(shape)
        while self.often(0.3):
            shape.insert(self.random.randint(0, len(shape)), 1)
        for wrong, share in ((-1, 0.4), (-1, 0.15), (5, 0.1), (-2, 0.05), (0, 0.05)):
            if self.often(share):
                shape[self.random.randrange(len(shape))] = wrong
        return shape if self.often(0.95) else []

    def options(self, operation, a):
        dims = a.dim()
        if operation in ("+", "@"):
            return []
        if operation in ("reshape", "view"):
            return [self.target(a.numel())]
        if operation == "permute":
            order = [d - dims if self.often(0.2) else d for d in self.order(dims)]
            if order and self.often(0.3):
                order[0] = self.random.randint(-4, 4)
            return [order + [0] * self.often(0.1)]
        if operation == "expand":
            sizes = [
                self.random.choice([0, 1, 2, 3, -1]) if s == 1 else s for s in a.shape
            ]
            if sizes and self.often(0.2):
                sizes[self.random.randrange(dims)] = self.random.choice([-1, 1, 2])
            before = self.random.choices([0, 1, 2, -1], [1, 3, 3, 1], k=2)
            sizes = [*before[: self.random.randint(0, 2)], *sizes]
            return [sizes[1:] if self.often(0.1) else sizes]
        count = {"transpose": 2, "squeeze": int(self.often(0.7))}.get(operation, 1)
        return [self.dim(dims) for _ in range(count)]


def torch_says(operation, tensors, options):
    """Return what PyTorch gives, in the words of the lab."""
    try:
        result = OPERATIONS[operation](*tensors, *options)
    except (RuntimeError, IndexError) as error:
        return {"error": {"name": type(error).__name__, "message": str(error)}}
    first, own = (t.untyped_storage() for t in (tensors[0], result))
    return {
        "shape": list(result.shape),
        "stride": list(result.stride()),
        "contiguous": result.is_contiguous(),
        # Empty storages have no address to compare.
        "view": first.data_ptr() == own.data_ptr() if first.nbytes() else None,
        "values": result.flatten().tolist(),
    }


@cache
def cases(operation):
    """Return random cases for the lab, and what PyTorch says to each."""
    chance = Chance(operation)
    asked, answers = [], []
    for _ in range(CASES):
        tensors = [chance.tensor()]
        if operation in ("+", "@", "cat", "stack"):
            tensors.append(chance.second(operation, tensors[0]))
        options = chance.options(operation, tensors[0])
        parts = [{"shape": list(t.shape), "stride": list(t.stride())} for t in tensors]
        entries = [t.flatten().tolist() for t in tensors]
        asked.append([operation, parts, options, entries])
        answers.append(torch_says(operation, tensors, options))
    return asked, answers


def differences(page, operation, about):
    """Yield the cases in which the lab differs from PyTorch, in results or messages."""
    asked, answers = cases(operation)
    for start in range(0, CASES, 250):
        some = slice(start, start + 250)
        said = page.evaluate(RUN, asked[some])
        for case, here, there in zip(asked[some], answers[some], said, strict=True):
            if about == "messages":
                here, there = here.get("error"), there.get("error")
            elif "error" in here:
                here, there = here["error"]["name"], there.get("error", {}).get("name")
            elif here["view"] is None:
                there |= {"view": None}
            if here != there:
                yield case, here, there


each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@each_operation
def test_results_are_those_of_torch(operation, compute):
    assert next(differences(compute("shapes"), operation, "results"), None) is None


@same_version
@each_operation
def test_messages_are_those_of_torch(operation, compute):
    assert next(differences(compute("shapes"), operation, "messages"), None) is None


def test_the_random_cases_cover_much():
    messages, empty, copies = set(), 0, 0
    for operation in OPERATIONS:
        answers = cases(operation)[1]
        good = [answer for answer in answers if "error" not in answer]
        assert 0.25 * CASES < len(good) < 0.95 * CASES, operation
        assert sum(not answer["contiguous"] for answer in good) > (
            20 if operation in ("+", "view", "permute", "expand") else -1
        )
        empty += sum(not answer["values"] for answer in good)
        if operation == "reshape":
            copies += sum(answer["view"] is False for answer in good)
        messages |= {
            re.sub(r"-?\d+|\[[^]]*\]", "#", answer["error"]["message"])
            for answer in answers
            if "error" in answer
        }
    assert empty > 1000
    assert copies > 100
    assert len(messages) >= 22, sorted(messages)


def test_the_messages_are_those_of_the_pinned_version(compute):
    assert compute("shapes").evaluate("labs.compute.shapes.TORCH") == PIN


SLIPS = {
    "a missing size on the left": ("+", "a[i + a.length - dims] ?? 1", "a[i] ?? 1"),
    "the memory of a sum": ("+", "if (says < 0) break;", "break;"),
    "the strides of an empty sum": (
        "+",
        "? compact(shape).stride : stride",
        "? [] : stride",
    ),
    "the larger size wins": ("+", "one === 1 ? other : one", "Math.max(one, other)"),
    "a chunk of a view": ("view", "=== here * step", "=== here"),
    "a view's size of 1": ("view", "here > there || sizes[view] === 1", "here > there"),
    "a copy is no view": ("reshape", "copies: !stride", "copies: false"),
    "the size that a -1 stands for": ("reshape", "entries / known", "entries % known"),
    "the strides stay": ("permute", "dims.map((d) => stride[d])", "stride"),
    "where an entry was": ("permute", "at[dims.indexOf(d)]", "at[dims[d]]"),
    "from the right": ("transpose", "? dim + high + 1 : dim", "? dim + high : dim"),
    "a new stride": ("unsqueeze", "shape[at] * stride[at]", "stride[at]"),
    "a size that isn't 1 stays": ("squeeze", "shape[d] !== 1 || ", ""),
    "a stretched stride": ("expand", "same ? own : 0", "own"),
    "a size in front": ("expand", "size < 0 ? 2 ** 64 : size", "size"),
    "an empty vector counts": ("cat", "!equal(shape, [0])", "true"),
    "the second one's entries": ("cat", "index[at] - sizes[0]", "index[at]"),
    "which tensor it was": ("stack", "[[index[at], without", "[[0, without"),
    "the inner sizes": ("@", "[...right, i, ...column]", "[...right, ...column, i]"),
    "a batch of one": ("@", "stretched(batchA,", "((_, index) => index)(batchA,"),
}
MESSAGE_SLIPS = {
    "which dimension": (
        "+",
        "singleton dimension ${i}`);\n",
        "singleton dimension ${dims}`);\n",
    ),
    "folded rows": ("@", "product([...batch, ...n])", "product(n)"),
    "whether it folds": (
        "@",
        "(d) => shape[d] !== 1);\n    return",
        "() => true);\n    return",
    ),
    "which comes first": ("cat", "Expected size ${size}", "Expected size ${shape[d]}"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_caught(name, compute):
    operation, right, wrong = SLIPS[name]
    page = compute("shapes", replace=(right, wrong))
    assert next(differences(page, operation, "results"), None)


@same_version
@pytest.mark.parametrize("name", MESSAGE_SLIPS)
def test_a_slip_in_a_message_is_caught(name, compute):
    operation, right, wrong = MESSAGE_SLIPS[name]
    page = compute("shapes", replace=(right, wrong))
    assert next(differences(page, operation, "messages"), None)


# ---- what the reader types


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2, 3", [2, 3]),
        ("2,3", [2, 3]),
        (" (2, 3) ", [2, 3]),
        ("[2, 3]", [2, 3]),
        ("torch.Size([2, 3])", [2, 3]),
        ("2x3", [2, 3]),
        ("2 \u00d7 3", [2, 3]),
        ("2 3", [2, 3]),
        ("(2,)", [2]),
        ("2, ", [2]),
        ("()", []),
        ("[ ]", []),
        ("-1, \u22122", [-1, -2]),
        ("0", [0]),
        ("9999, 1000", [9999, 1000]),
    ],
)
def test_shapes_are_read(text, numbers, compute):
    parse = "(text) => labs.compute.shapes.parse(text, -99)"
    assert compute("shapes").evaluate(parse, text) == {"numbers": numbers}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("2,,3", "unreadable"),
        (",2", "unreadable"),
        ("2.5", "unreadable"),
        ("two", "unreadable"),
        ("2; alert(1)", "unreadable"),
        ("<b>2</b>", "unreadable"),
        ("-1, 2", "small"),
        ("1, 1, 1, 1, 1, 1", "large"),
        ("10000, 1001", "large"),
        ("99999999999999999999", "large"),
    ],
)
def test_other_text_is_refused(text, problem, compute):
    parse = "(text) => labs.compute.shapes.parse(text)"
    assert compute("shapes").evaluate(parse, text) == {"problem": problem}


def choose(page, operation=None, **fields):
    """Choose an operation in the lab, and type into its fields."""
    if operation:
        page.check(f"input[value='{operation}']", force=True)
    for name, text in fields.items():
        page.fill(f"[data-part={name}]", text)


def read(page, part):
    return page.inner_text(f"[data-part={part}]")


SETTINGS = [
    ("+", {}),
    ("+", {"a": "2, 3", "first": "1, 0", "b": "3, 2"}),
    ("+", {"a": "0, 3", "b": "()"}),
    ("+", {"a": "3", "b": "4"}),
    ("+", {"a": "107, 160, 3", "b": "3"}),
    ("@", {}),
    ("@", {"a": "2, 0", "b": "0, 3"}),
    ("@", {"a": "3", "b": "3"}),
    ("@", {"a": "3", "b": "2, 3, 1"}),
    ("@", {"a": "2, 3", "b": "2"}),
    ("@", {"a": "()", "b": "2"}),
    ("cat", {}),
    ("cat", {"a": "2, 3", "b": "4, 3", "option": "-2"}),
    ("cat", {"a": "0", "b": "0", "option": "0"}),
    ("cat", {"a": "()", "b": "()"}),
    ("stack", {"option": "-1"}),
    ("stack", {"option": "3"}),
    ("reshape", {}),
    ("reshape", {"first": "1, 0", "option": "6"}),
    ("reshape", {"a": "1", "option": "()"}),
    ("view", {}),
    ("view", {"first": "1, 0", "option": "6"}),
    ("permute", {}),
    ("permute", {"first": "5", "option": "0, 1, 2"}),
    ("permute", {"a": "()", "option": "()"}),
    ("transpose", {"a": "2, 3, 4, 2"}),
    ("unsqueeze", {"option": "-1"}),
    ("squeeze", {"option": ""}),
    ("squeeze", {"option": "-2"}),
    ("squeeze", {"option": "1"}),
    ("expand", {}),
    ("expand", {"a": "()", "option": "2, 3"}),
    ("expand", {"option": "4"}),
]


@pytest.mark.parametrize(("operation", "fields"), SETTINGS)
def test_the_code_in_the_lab_gives_what_the_lab_shows(operation, fields, lab):
    page = lab("shapes", reduced_motion="reduce")
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    choose(page, operation, **fields)
    there = {"torch": torch}
    failure = None
    try:
        exec(read(page, "code"), there)
    except (RuntimeError, IndexError) as error:
        failure = error
    if failure:
        kind, _, message = read(page, "message").partition(": ")
        assert kind == type(failure).__name__
        if torch.__version__.partition("+")[0] == PIN:
            assert message == str(failure)
        assert not page.is_visible("[data-part=facts]")
    else:
        c = there["c"]
        assert read(page, "shape") == str(c.shape)
        assert read(page, "stride") == str(c.stride())
        assert read(page, "contiguous") == str(c.is_contiguous())
        storages = [there[name].untyped_storage().data_ptr() for name in "ac"]
        shared = storages[0] == storages[1] != 0
        assert read(page, "kind").startswith("a view" if shared else "a copy")
        assert not page.is_visible("[data-part=message]")
    for name in "abc":
        cells = page.locator(f"[data-part=cells-{name}] i:visible")
        own = page.locator(f"[data-part=cells-{name}] i:not(.is-ghost):visible")
        if name in there and 0 < there[name].numel() <= 60:
            shown = (cells if name == "c" else own).all_inner_texts()
            assert list(map(int, shown)) == there[name].flatten().tolist()
            assert cells.count() == own.count() or operation in ("+", "expand")
        elif name in there or name == "c":
            assert cells.count() == 0
    assert not problems


def test_every_entry_can_be_followed(lab):
    page = lab("shapes", reduced_motion="reduce")
    for operation in OPERATIONS:
        choose(page, operation)
        there = {"torch": torch}
        exec(read(page, "code"), there)
        for position in range(there["c"].numel()):
            page.evaluate(
                """(value) => {
                  const entry = document.querySelector("[data-part=entry]");
                  Object.assign(entry, {value});
                  entry.dispatchEvent(new Event("input", {bubbles: true}));
                }""",
                position,
            )
            index, *sums, value = read(page, "origin").split(" = ")
            assert eval(index, there) == int(value)
            assert eval(sums[0].replace("·", "*"), there) == int(value)
            place = read(page, "place").split(": ")[1].replace("·", "*")
            *steps, place = place.split(" = ")
            c = there["c"]
            memory = torch.as_strided(c, (c.untyped_storage().nbytes() // 8,), (1,))
            assert memory[int(place)] == int(value)
            assert all(eval(step) == int(place) for step in steps)
            here = page.locator("[data-part=cells-c] .is-here")
            assert {int(text) for text in here.all_inner_texts()} == {int(value)}


def test_a_word_stands_beside_text_that_is_no_shape(lab):
    page = lab("shapes")
    for operation, field, text, word in [
        ("+", "a", "2; 3", "whole numbers with commas"),
        ("+", "b", "", "Write a shape"),
        ("+", "b", "-1", "too small"),
        ("reshape", "option", "", "Write a shape"),
        ("permute", "first", "a", "whole numbers with commas"),
        ("stack", "option", "1, 2", "one whole number"),
        ("transpose", "option", "1", "two whole numbers"),
        ("expand", "option", "-2, 4", "too small"),
        ("view", "a", "99999999", "too large"),
    ]:
        choose(page, operation)
        height = page.locator(".lab").bounding_box()["height"]
        choose(page, **{field: text})
        box = page.locator(f"[data-part={field}]")
        described = box.get_attribute("aria-describedby")
        assert box.get_attribute("aria-invalid") == "true"
        assert word in page.inner_text(f"#{described}")
        # The last answer stays, so that nothing jumps; no key or mouse gets at it.
        assert page.locator("[data-part=answer][inert]").count() == 1
        assert page.locator(".lab").bounding_box()["height"] == height
        assert not page.is_visible("[data-part=rule]")
        choose(page, **{field: "0, 1" if operation == "transpose" else "1"})
        assert box.get_attribute("aria-invalid") == "false"
        assert page.text_content(f"#{described}") == ""
        assert page.locator("[data-part=answer][inert]").count() == 0
        assert page.is_visible("[data-part=rule]")


WHY = [
    ("view", {"a": "2, 3, 4", "first": "2, 0, 1", "option": "8, 3"}, "even steps"),
    ("view", {"a": "2, 3, 4", "option": "8, 2"}, ""),
    ("+", {"a": "2, 3", "first": "7, 0"}, "count up from 0"),
    ("stack", {"option": "3"}, "count up from 0"),
    ("+", {"first": "0, 0, 1"}, "each dimension"),
    ("permute", {"option": "1, 0"}, "each dimension"),
    ("+", {"b": "5"}, "Only a 1"),
    ("expand", {"a": "3, 2", "option": "3, 4"}, "Only a 1"),
    ("@", {"b": "4, 3"}, ""),
]


@pytest.mark.parametrize(("operation", "fields", "word"), WHY)
def test_the_word_below_a_message_is_about_that_error(operation, fields, word, lab):
    page = lab("shapes")
    choose(page, operation, **fields)
    assert page.is_visible("[data-part=message]")
    assert word in read(page, "why")
    assert bool(word) == bool(read(page, "why"))


def test_an_empty_order_says_what_could_stand_there(lab):
    page = lab("shapes")
    for a, order in [("2, 1, 4", "2, 1, 0"), ("2, 3", "1, 0")]:
        choose(page, "+", a=a, b="1")
        hint = page.get_attribute("[data-part=first]", "placeholder")
        assert hint.endswith(order)
        choose(page, first=order)
        assert f".permute({order})" in read(page, "code")
        assert not page.is_visible("[data-part=message]")
        choose(page, first="")


def test_operations_that_are_compared_share_their_fields(lab):
    page = lab("shapes")
    choose(page, "view", a="4, 3", first="1, 0", option="12")
    assert "view size is not compatible" in read(page, "message")
    choose(page, "reshape")
    assert read(page, "code").endswith(".permute(1, 0)\nc = a.reshape(12)")
    choose(page, "+")
    assert "torch.Size([2, 3, 4])" in read(page, "shape")
    choose(page, "view")
    assert page.input_value("[data-part=a]") == "4, 3"


def test_a_mouse_finds_where_a_number_comes_from(lab):
    page = lab("shapes")
    page.hover("[data-part=cells-c] i >> nth=17")
    assert read(page, "origin") == "c[1, 1, 1] = a[1, 0, 1] + b[1, 0] = 5 + 100 = 105"


# ---- the tasks


def says(page, operation, a, *others, first=()):
    """Return the lab's result for shapes (or options) of these sizes."""
    return page.evaluate(
        """([operation, a, others, first]) => {
          const {run, compact} = labs.compute.shapes;
          let [tensor, options] = [compact(a), others];
          if (first.length) tensor = run("permute", [tensor], [first]);
          const two = ["+", "@"].includes(operation);
          const {from, ...result} = run(operation,
            two ? [tensor, compact(others[0])] : [tensor], two ? [] : others);
          return result;
        }""",
        [operation, list(a), [list(other) for other in others], list(first)],
    )


def test_task_dimension_in_the_message(compute):
    page = compute("shapes")
    message = says(page, "+", (2, 1, 4), (5,))["error"]["message"]
    assert message.endswith("(5) at non-singleton dimension 2")
    for b in [(2, 1, 4), (3, 1), (7, 3, 1)]:
        result = says(page, "+", (2, 1, 4), b)
        assert ("error" in result) == (b == (7, 3, 1))


def test_task_two_partners(compute):
    page = compute("shapes")
    for b in [(3, 4), (5, 3, 4), (1, 3, 4)]:
        assert says(page, "@", (5, 2, 3), b)["shape"] == [5, 2, 4]
    for b in [(4, 3), (2, 3, 4), (3,)]:
        assert says(page, "@", (5, 2, 3), b).get("shape") != [5, 2, 4]


def test_task_view_after_permute(compute):
    page = compute("shapes")
    turned = {"first": (2, 0, 1)}
    assert says(page, "permute", (2, 3, 4), (2, 0, 1))["stride"] == [1, 12, 4]
    merged = says(page, "view", (2, 3, 4), (4, 6), **turned)
    assert (merged["stride"], merged["view"]) == ([1, 4], True)
    assert "error" in says(page, "view", (2, 3, 4), (8, 3), **turned)
    assert says(page, "reshape", (2, 3, 4), (8, 3), **turned)["view"] is False


def test_task_new_memory_in_another_order(compute):
    page = compute("shapes")
    result = says(page, "+", (2, 3), (3, 2), first=(1, 0))
    assert result == {
        "shape": [3, 2],
        "stride": [1, 3],
        "contiguous": False,
        "view": False,
    }
