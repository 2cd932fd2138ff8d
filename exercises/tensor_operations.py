"""Checkers for the exercises: tensor operations."""

import torch

from helpers.exercises import call, call_as_is, exercise, explain, require

from .behaviour import effort


@exercise(
    "ex-shapes",
    title="Shapes without a computer",
    hints=(
        "write one shape under the other, lined up on the right, and ask which "
        "dimension is used up, added or moved.",
        "in `@`, the last dimension of the left and the second-to-last of the right "
        "are used up. `stack` adds a dimension at position `dim`, `cat` makes an "
        "existing one longer. `permute(1, 2, 0)` lists the old positions in their new "
        "order.",
    ),
    shown="You can predict shapes on paper, and that's how you find most shape errors.",
)
def shapes(answers):
    a, b, c = torch.rand(5, 4, 6), torch.rand(6, 2), torch.rand(4, 1)
    true = {
        "matmul": (a @ b, "the inner sizes meet and vanish; the 5 is a batch."),
        "plus": (
            a + c,
            "a size of 1 and a missing size are stretched, and 4 fits 4.",
        ),
        "mean": (a.mean(dim=1), "`dim` names the dimension that is used up."),
        "kept": (
            a.mean(dim=1, keepdim=True),
            "`keepdim=True` leaves the used-up dimension in place, with size 1.",
        ),
        "stacked": (
            torch.stack([b, b, b], dim=1),
            "`stack` makes a new dimension, as long as the list, at position `dim`.",
        ),
        "joined": (
            torch.cat([b, b, b], dim=1),
            "`cat` makes a dimension longer that is already there.",
        ),
        "turned": (
            a.permute(1, 2, 0),
            "`permute` lists the old positions in their new order: the result begins "
            "with the old dimension 1.",
        ),
    }
    require(
        isinstance(answers, dict) and answers.keys() == true.keys(),
        "`shapes` isn't a dict with the seven names of the stub.",
    )
    for name, (result, reason) in true.items():
        with explain(TypeError, f"`{name}` isn't a shape: write it as a tuple."):
            shape = tuple(answers[name])
        require(shape == result.shape, f"`{name}` has a different shape: {reason}")


@exercise(
    "ex-standardise",
    title="Standardise the columns",
    hints=(
        "each column has its own mean. Which dimension does that mean use up?",
        "one mean per column comes from using up the rows: `table.mean(dim=0)`, and "
        "`std` takes the same argument. Both have the shape `(columns,)`, so "
        "subtracting and dividing need no loop.",
    ),
    shown="A reduction along dimension 0 leaves one number per column, and "
    "broadcasting repeats it for each row.",
)
def standardise(function):
    for rows, columns in [(7, 3), (4, 4)]:
        table = 3 * torch.randn(rows, columns) + torch.arange(columns)
        before = table.clone()
        with explain(
            RuntimeError,
            f"It fails on a table of shape {(rows, columns)}: one number per row "
            "doesn't fit the columns.",
        ):
            result = call_as_is(function, table)
        require(
            torch.equal(table, before),
            "Your function writes into its argument: the caller's table has changed.",
        )
        require(
            result.shape == table.shape, "The result should have the table's shape."
        )
        centred = table - table.mean(dim=0)
        rows_centred = table - table.mean(dim=1, keepdim=True)
        wrong = {
            "The columns aren't divided by their standard deviation.": centred,
            "Divide by the standard deviation: the variance is its square.": (
                centred / table.var(dim=0)
            ),
            "The rows have been standardised: `dim` names the dimension that is used "
            "up, and the mean of a column uses up the rows.": (
                rows_centred / table.std(dim=1, keepdim=True)
            ),
            "All numbers share one mean: each column needs its own.": (
                (table - table.mean()) / table.std()
            ),
        }
        for misconception, value in wrong.items():
            require(not torch.allclose(result, value, atol=1e-4), misconception)
        require(
            result.mean(dim=0).abs().max() < 1e-3,
            "A column of the result doesn't have the mean 0.",
        )
        # To divide by n - 1 or by n: both are called standard deviation.
        deviations = (table.std(dim=0, correction=k) for k in (0, 1))
        require(
            any(torch.allclose(result, centred / one, atol=1e-3) for one in deviations),
            "A column of the result doesn't have the standard deviation 1.",
        )
    for name, more in [("rows", (18, 4)), ("columns", (5, 17))]:
        tables = torch.randn(5, 4), torch.randn(more)
        short, long = (effort(call, function, table) for table in tables)
        require(
            long - short < 13,
            f"The columns are right, but you loop over the {name}: "
            "`dim=0` treats all columns in one call.",
        )


@exercise(
    "ex-films",
    title="A film for everyone",
    hints=(
        "you need a score for every pair of a user and a film. That's a table of dot "
        "products, which is what a matrix product gives you.",
        "`@` pairs the rows of the left with the columns of the right, so transpose "
        "one of the two. Then `argmax` uses up the dimension that counts the films.",
    ),
    shown="One product scores every film for every user, and one `argmax` picks the "
    "best.",
)
def films(best_films):
    for count, users in [(40, 7), (5, 5), (1, 4), (6, 1)]:
        films, tastes = torch.randn(count, 3), torch.randn(users, 3)
        with explain(
            RuntimeError,
            f"It fails on {count} films and {users} users: each row of `tastes` has "
            "to meet each row of `films`, so one of the two has to be transposed.",
        ):
            found = call(best_films, films, tastes)
        require(
            not isinstance(found, tuple),
            "It returns a pair: `max(dim=…)` gives you values and positions, and you "
            "only need the positions.",
        )
        found = torch.as_tensor(found).cpu()
        scores = tastes.double() @ films.double().T
        require(
            found.shape != (count,) or count == users,
            "There is one answer per film: use up the dimension of the films, not that "
            "of the users.",
        )
        require(
            found.shape == (users,),
            f"The result has the shape {tuple(found.shape)}, not ({users},).",
        )
        require(
            not found.is_floating_point(), "The result holds scores, not positions."
        )
        wrong = {
            "These are the films with the lowest scores.": scores.argmin(dim=1),
            "These are the films whose numbers are closest to the user's: the score is "
            "the dot product, not the distance.": (
                torch.cdist(tastes, films).argmin(dim=1)
            ),
        }
        # With few films a wrong rule can be right by chance.
        for misconception, value in wrong.items() if count == 40 else ():
            require(not torch.equal(found, value), misconception)
        require(
            found.min() >= 0 and found.max() < count,
            "A position is too large or negative: there is no such film.",
        )
        chosen = scores.gather(1, found.long()[:, None])[:, 0]
        require(
            torch.allclose(chosen, scores.max(dim=1).values, atol=1e-4),
            "At least one user gets a film that isn't the one with the highest score.",
        )
    less = effort(call, best_films, torch.randn(6, 3), torch.randn(7, 3))
    for name, films, tastes in [("users", (6, 3), (20, 3)), ("films", (19, 3), (7, 3))]:
        more = effort(call, best_films, torch.randn(films), torch.randn(tastes))
        require(
            more - less < 13,
            f"The positions are right, but you loop over the {name}: one product "
            "scores them all.",
        )


@exercise(
    "ex-pictures",
    title="From camera to model",
    hints=(
        "one tool moves dimensions, one puts memory in order, and one changes the "
        "dtype.",
        "`reshape` would mix up the pixels here. Give `permute` the old positions in "
        "their new order: the batch stays first, and the channels, position 3, come "
        "next. Then `contiguous()`, then the dtype, and divide by 255 at the end.",
    ),
    shown="`permute` keeps each number with its pixel, and dtype and range are changed "
    "separately.",
)
def pictures(to_model_input):
    for shape in [(4, 10, 20, 3), (1, 6, 5, 3), (2, 7, 7, 3)]:
        taken = torch.randint(0, 256, shape, dtype=torch.uint8)
        count, height, width, _ = shape
        ready = call(to_model_input, taken)
        require(
            ready.shape != (count, 3, width, height) or height == width,
            "Height and width have changed places.",
        )
        require(
            ready.shape == (count, 3, height, width),
            f"Images of shape {shape} come out with the shape {tuple(ready.shape)}.",
        )
        require(
            ready.dtype == torch.float32,
            f"The result is {ready.dtype}, but layers want float32.",
        )
        expected = taken.float().permute(0, 3, 1, 2)
        require(
            not torch.allclose(ready, expected),
            "The numbers still run up to 255: scale them to the range from 0 to 1.",
        )
        scrambled = taken.reshape(count, 3, height, width) / 255
        require(
            not torch.allclose(ready, scrambled),
            "The shape is right, but the images are scrambled: `reshape` keeps the "
            "order of reading, where a pixel's red, green and blue are neighbours.",
        )
        require(
            torch.allclose(ready, expected / 255, atol=1e-6),
            "At least one number isn't its pixel's number divided by 255.",
        )
        require(
            ready.is_contiguous(),
            "The result isn't contiguous: `permute` changes the strides and leaves "
            "the memory as it was.",
        )


@exercise(
    "ex-memory",
    title="View or copy?",
    hints=(
        "two tensors that share memory can start at different places in it, so "
        "compare their storages.",
        "compare `a.untyped_storage().data_ptr()` with that of `b`. For the dict, ask "
        "yourself for each result whether you could read it from the memory of `x` in "
        "regular steps. A slice, yes; a list of positions or a mask, no. `reshape` "
        "copies only if it has to, and `to` only if something changes.",
    ),
    shown="Slices and transposes are views, masks and lists of positions copy, and "
    "`reshape` and `to` copy only if they must.",
)
def memory(shares_memory, shared):
    x = torch.arange(12).reshape(3, 4)
    results = {
        "x.T": x.T,
        "x.reshape(4, 3)": x.reshape(4, 3),
        "x.T.reshape(3, 4)": x.T.reshape(3, 4),
        "x[:, 1:3]": x[:, 1:3],
        "x[[0, 1]]": x[[0, 1]],
        "x[x > 3]": x[x > 3],
        "x.unsqueeze(0)": x.unsqueeze(0),
        "x.to(torch.int64)": x.to(torch.int64),
        "x.float()": x.float(),
        "x.clone()": x.clone(),
    }
    address = x.untyped_storage().data_ptr()
    truth = {
        name: one.untyped_storage().data_ptr() == address
        for name, one in results.items()
    }
    require(
        call(shares_memory, x, x[:]),
        "Two tensors can use the same memory without being the same object, and "
        "`is` compares the objects.",
    )
    require(
        call(shares_memory, x, x[:, 1:3]),
        "`x[:, 1:3]` uses the memory of `x` and starts later in it, so it isn't "
        "enough to compare the addresses of the first entries.",
    )
    require(
        not call(shares_memory, x, x.clone()),
        "Equal numbers needn't be in the same memory: a clone has its own.",
    )
    for name, one in results.items():
        require(
            bool(call(shares_memory, x, one)) is truth[name],
            f"`shares_memory` gives the wrong answer for `x` and `{name}`.",
        )
    require(
        isinstance(shared, dict) and shared.keys() == truth.keys(),
        "`shared` isn't a dict with the names of the stub.",
    )
    reasons = {
        "x.T.reshape(3, 4)": "no regular steps through the memory of `x` give "
        "these rows of four, so `reshape` has to copy.",
        "x.to(torch.int64)": "`x` has this dtype already, so `to` returns `x` itself.",
        "x.float()": "numbers of a different dtype need memory of their own.",
        "x[[0, 1]]": "a list can name any positions, so the entries are copied.",
        "x[x > 3]": "the entries behind a mask can be anywhere, so they are copied.",
    }
    for name, answer in truth.items():
        reason = reasons.get(name, "ask your function, now that it works.")
        require(
            bool(shared[name]) is answer, f"The guess for `{name}` is wrong: {reason}"
        )


@exercise(
    "ex-nearest",
    title="Nearest centroid",
    hints=(
        "give each of the two a new dimension of size 1, so that broadcasting makes "
        "(N, K, D) of them. Then use up D, and after that K.",
        "`points.unsqueeze(1)` has the shape (N, 1, D). Find the place for `centroids` "
        "that gives (1, K, D), subtract, square, and sum over `dim=2`. The position of "
        "the smallest distance is an `argmin`, along the dimension of K.",
    ),
    shown="Two new dimensions and broadcasting compare everything with everything in "
    "one operation.",
)
def nearest(function):
    for count, centres, size in [(50, 5, 3), (1, 4, 2), (6, 1, 4), (5, 5, 5)]:
        points, centroids = torch.randn(count, size), torch.randn(centres, size)
        with explain(
            RuntimeError,
            f"It fails on {count} points and {centres} centroids: the two need a new "
            "dimension each before they can be subtracted.",
        ):
            found = call(function, points, centroids)
        require(
            not isinstance(found, tuple),
            "It returns a pair: `min(dim=…)` gives you values and positions, and you "
            "only need the positions.",
        )
        found = torch.as_tensor(found).cpu()
        squares = torch.cdist(points.double(), centroids.double()) ** 2
        require(
            found.shape != (centres,) or count == centres,
            "There is one answer for each centroid: use up the dimension of the "
            "centroids, not that of the points.",
        )
        require(
            found.shape == (count,),
            f"The result has the shape {tuple(found.shape)}, not ({count},).",
        )
        require(
            not found.is_floating_point(),
            "The result holds distances, not positions.",
        )
        differences = points[:, None] - centroids
        wrong = {
            "These are the centroids furthest away.": squares.argmax(dim=1),
            "Differences of opposite sign cancel: square them before the sum.": (
                differences.sum(dim=2).argmin(dim=1)
            ),
            "The sum has used up the centroids; it belongs to the D coordinates.": (
                differences.square().sum(dim=1).argmin(dim=1)
            ),
        }
        # With few points a wrong rule can be right by chance.
        for misconception, value in wrong.items() if count == 50 else ():
            require(not torch.equal(found, value), misconception)
        require(
            found.min() >= 0 and found.max() < centres,
            "A position is too large or negative: there is no such centroid.",
        )
        chosen = squares.gather(1, found.long()[:, None])[:, 0]
        require(
            torch.allclose(chosen, squares.min(dim=1).values, atol=1e-4),
            "At least one point gets a centroid that isn't its closest one in the "
            "squared distance.",
        )
    less = effort(call, function, torch.randn(7, 3), torch.randn(6, 3))
    for name, points, centroids in [
        ("points", (20, 3), (6, 3)),
        ("centroids", (7, 3), (19, 3)),
        ("coordinates", (7, 16), (6, 16)),
    ]:
        more = effort(call, function, torch.randn(points), torch.randn(centroids))
        require(
            more - less < 13,
            f"The positions are right, but you loop over the {name}: "
            "broadcasting compares everything with everything at once.",
        )
