"""Chapter 7's lab on thresholds measures as torchmetrics and scikit-learn do."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryAUROC,
    BinaryAveragePrecision,
    BinaryConfusionMatrix,
    BinaryF1Score,
    BinaryPrecision,
    BinaryPrecisionAtFixedRecall,
    BinaryPrecisionRecallCurve,
    BinaryRecall,
    BinaryROC,
)

from tools.notebooks import ROOT, read, run_source

CHAPTER = ROOT / "chapters" / "07_classes_and_metrics.ipynb"
# What the lab shows comes from these, in this order.
CELLS = """
    imports blobs-make blob-model-class functions-steps functions-repeat
    rare-data rare-loss rare-train rare-relu threshold-choice-code
"""
pytestmark = pytest.mark.filterwarnings("ignore:No (positive|negative) samples")

METRICS = {
    "accuracy": BinaryAccuracy,
    "precision": BinaryPrecision,
    "recall": BinaryRecall,
    "f1": BinaryF1Score,
}
# Everything that the lab computes, for some scores and many thresholds at once.
ALL = """([scores, truth, thresholds, weight]) => {
  const lab = labs.compute.threshold;
  const [p, y] = [Float32Array.from(scores), Uint8Array.from(truth)];
  const rows = lab.steps(p, y, weight);
  return {
    at: thresholds.map((threshold) => {
      const counts = lab.counts(p, y, threshold, weight);
      return {...counts, ...lab.metrics(counts)};
    }),
    cuts: rows.map(({cut}) => cut),
    roc: lab.roc(rows), precisionRecall: lab.precisionRecall(rows),
    auroc: lab.auroc(rows), averagePrecision: lab.averagePrecision(rows),
    bestF1: lab.bestF1(rows), bestPrecision: lab.bestPrecision(rows, 0.95),
  };
}"""


def cases():
    """Yield scores, labels and thresholds: ties, one class only, ends of the range."""
    make = np.random.default_rng(7)
    for size, share, ties in [
        (400, 0.05, None),
        (60, 0.5, 10),
        (200, 0.3, 4),
        (37, 0.9, 64),
        (25, 0.4, 1),
        (1, 1, None),
        (30, 0, 8),
        (30, 1, 8),
        (300, 0.1, 20),
    ]:
        truth = make.random(size) < share
        scores = np.clip(make.normal(0.4 + 0.25 * truth, 0.2), 0, 1)
        if ties:
            scores = np.round(scores * ties) / ties
        scores = torch.tensor(scores, dtype=torch.float32)
        some = make.choice(scores.numpy(), 6).tolist()  # exactly at a score
        # A decimal lies next to the float32 that torch compares with.
        thresholds = [0.0, 1.0, 0.1, 0.2, 0.7, *some, *make.random(6).tolist()]
        yield scores, torch.tensor(truth).long(), thresholds
    # Sure to be next to a decimal, and nothing above it.
    yield (
        torch.tensor([0.1, 0.2, 0.2, 0.7]),
        torch.tensor([1, 0, 1, 1]),
        [0.2, 0.1, 0.7],
    )


CASES = list(cases())


def run(page, scores, truth, thresholds=(), weight=1):
    """Return what the page's arithmetic gives."""
    return page.evaluate(ALL, [scores.tolist(), truth.tolist(), thresholds, weight])


def close(here, there, atol=2e-6):
    np.testing.assert_allclose(here, there, rtol=0, atol=atol)


def check_thresholds(page):
    """Compare counts and metrics at thresholds with those of torchmetrics."""
    for scores, truth, thresholds in CASES:
        answers = run(page, scores, truth, thresholds)["at"]
        for threshold, answer in zip(thresholds, answers, strict=True):
            matrix = BinaryConfusionMatrix(threshold=threshold)(scores, truth)
            counts = [answer[name] for name in ("tn", "fp", "fn", "tp")]
            assert counts == matrix.flatten().tolist(), threshold
            # And with the chapter's own way to call a point positive.
            called = scores > threshold
            assert answer["tp"] == (called & (truth == 1)).sum()
            for name, metric in METRICS.items():
                value = metric(threshold=threshold)(scores, truth).item()
                close(answer[name], value, 1e-7)


def check_curves(page):
    """Compare both curves and the areas under them with those of torchmetrics."""
    for scores, truth, _ in CASES:
        there = run(page, scores, truth)
        fpr, tpr, cuts = BinaryROC()(scores, truth)
        close(there["roc"], torch.stack([fpr, tpr], dim=1), 1e-7)
        assert there["cuts"] == cuts[1:].tolist()
        precision, recall, _ = BinaryPrecisionRecallCurve()(scores, truth)
        ours = there["precisionRecall"][::-1]
        close(ours, torch.stack([recall, precision], dim=1), 1e-7)
        close(there["auroc"], BinaryAUROC()(scores, truth))
        close(there["averagePrecision"], BinaryAveragePrecision()(scores, truth))


def check_weights(page):
    """Compare weighted answers: negatives repeated, and sklearn's `sample_weight`."""
    for scores, truth, thresholds in CASES:
        if len(set(truth.tolist())) < 2:
            continue
        negative = truth == 0
        more_scores = torch.cat([scores, scores[negative], scores[negative]])
        more_truth = torch.cat([truth, truth[negative], truth[negative]])
        repeated = run(page, more_scores, more_truth, thresholds)
        weighted = run(page, scores, truth, thresholds, 3)
        assert weighted["at"] == repeated["at"]
        for name in ("auroc", "averagePrecision", "roc", "precisionRecall"):
            close(weighted[name], repeated[name], 1e-12)
        value = BinaryAveragePrecision()(more_scores, more_truth)
        close(weighted["averagePrecision"], value)

        weight = 0.37
        how = {"sample_weight": np.where(negative, weight, 1.0)}
        there = run(page, scores, truth, thresholds, weight)
        p = scores.numpy()
        for threshold, answer in zip(thresholds, there["at"], strict=True):
            called = (scores > threshold).long()
            both = (truth, called)
            close(answer["accuracy"], sk.accuracy_score(*both, **how), 1e-12)
            how_0 = {**how, "zero_division": 0}
            close(answer["precision"], sk.precision_score(*both, **how_0), 1e-12)
            close(answer["f1"], sk.f1_score(*both, **how_0), 1e-12)
            counts = [[answer["tn"], answer["fp"]], [answer["fn"], answer["tp"]]]
            close(counts, sk.confusion_matrix(*both, **how), 1e-9)
        close(there["auroc"], sk.roc_auc_score(truth, p, **how), 1e-12)
        average = sk.average_precision_score(truth, p, **how)
        close(there["averagePrecision"], average, 1e-12)


def check_choices(page):
    """The buttons' thresholds reach what the best of all thresholds reaches."""
    for scores, truth, _ in CASES:
        there = run(page, scores, truth)
        every = [0.0, *scores.unique().tolist()]
        f1 = [BinaryF1Score(threshold=cut)(scores, truth).item() for cut in every]
        if max(f1) == 0:
            assert there["bestF1"] is there["bestPrecision"] is None
            continue
        assert there["bestF1"] is not None
        cut = float(there["bestF1"])
        own = BinaryF1Score(threshold=cut)(scores, truth).item()
        close(own, max(f1), 1e-7)
        # Of several, the one that finds most.
        lowest = every[int(np.argmax(np.isclose(f1, max(f1), rtol=0, atol=1e-7)))]
        found = BinaryRecall(threshold=lowest)(scores, truth)
        assert BinaryRecall(threshold=cut)(scores, truth) == found

        if there["bestPrecision"] is not None:
            cut = float(there["bestPrecision"])
            best, _ = BinaryPrecisionAtFixedRecall(min_recall=0.95)(scores, truth)
            close(BinaryPrecision(threshold=cut)(scores, truth), best, 1e-7)
            assert BinaryRecall(threshold=cut)(scores, truth) >= 0.95


CHECKS = {
    "thresholds": check_thresholds,
    "curves": check_curves,
    "weights": check_weights,
    "choices": check_choices,
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_lab_measures_as_torchmetrics_does(compute, check):
    CHECKS[check](compute("threshold"))


SLIPS = {
    "at the threshold counts as above": (
        'found[score > cut ? "tp" : "fn"]',
        'found[score >= cut ? "tp" : "fn"]',
    ),
    "the threshold isn't rounded": ("Math.fround(threshold)", "threshold"),
    "no alarms is a precision of 1": ("part / whole : 0)", "part / whole : 1)"),
    "recall of the alarms": ("over(tp, tp + fn)", "over(tp, tp + fp)"),
    "F1 is the ordinary mean": (
        "over(2 * tp, 2 * tp + fp + fn)",
        "(over(tp, tp + fp) + over(tp, tp + fn)) / 2",
    ),
    "accuracy without the negatives": ("over(tp + tn,", "over(tp,"),
    "false alarms and misses exchanged": (
        'found[score > cut ? "fp" : "tn"]',
        'found[score > cut ? "tn" : "fp"]',
    ),
    "ties get a step each": ("scores[at] === scores[order[i + 1]]", "false"),
    "lowest scores first": ("scores[b] - scores[a]", "scores[a] - scores[b]"),
    "ROC starts late": ("[[0, 0], ...rows", "[...rows"),
    "precision curve starts at 0": ("[[0, 1], ...rows", "[[0, 0], ...rows"),
    "no positives, no recall": ("tp / last.tp : 1", "tp / last.tp : 0"),
    "AUC with flat tops": ("(before + now) / 2", "now"),
    "AP with slanted tops": (
        "(before, now) => now)",
        "(before, now) => (before + now) / 2)",
    ),
    "negatives weigh nothing extra": ("fp: weight * found.fp", "fp: found.fp"),
    "weight missing in the steps": ("weight * (i + 1 - tp)", "i + 1 - tp"),
    "least recall ignored": ("recall >= least", "recall >= 0"),
    "round number on the next score": (
        "Math.fround(cut) < high",
        "Math.fround(cut) <= high + 0.1",
    ),
    "round number too low": ("cut >= low &&", "cut >= 0 &&"),
    "best of the last": ("value >= most", "value >= 0"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_seen(compute, slip):
    page = compute("threshold", replace=SLIPS[slip])
    red = []
    for name, check in CHECKS.items():
        try:
            check(page)
        except AssertionError:
            red.append(name)
            break
    assert red, slip


# ---- the chapter's scores


def play(page, data, *thresholds, share=None, model="relu"):
    """Return what the lab shows of the chapter's scores, at one or many thresholds."""
    thresholds = thresholds or (0.5,)
    truth = torch.tensor(data["truth"])
    weight = 1
    if share is not None:
        weight = page.evaluate(
            "([share, truth]) => labs.compute.threshold.weightFor(share, truth)",
            [share, truth.tolist()],
        )
    scores = torch.tensor(data["scores"][model])
    there = run(page, scores, truth, thresholds, weight)
    return there | there["at"][0]


def test_stored_scores_are_those_of_a_fresh_run(stored, capsys):
    cells = {cell.id: cell.source for cell in read(CHAPTER).cells}
    there = {}
    for name in CELLS.split():
        source = cells[name].replace("plt.style.use", "# other tests plot, too: ")
        run_source(source, there, f"<{name}>")
    capsys.readouterr()
    data = stored("threshold")
    torch.testing.assert_close(torch.tensor(data["truth"]).long(), there["truth"])
    fresh = {
        "relu": there["p"],
        "linear": torch.sigmoid(there["linear_logits"]),
    }
    # In float64, 1000 epochs of the model with ReLU end up to 0.03 away.
    for name, atol in {"relu": 0.05, "linear": 1e-5}.items():
        scores = torch.tensor(data["scores"][name])
        torch.testing.assert_close(scores, fresh[name], atol=atol, rtol=0)
    np.testing.assert_allclose(data["table"], there["rows"], atol=3)


def test_the_table_is_what_the_lab_computes(compute, stored):
    page, data = compute("threshold"), stored("threshold")
    for threshold, called, found, precision, recall in data["table"]:
        shown = play(page, data, threshold)
        assert shown["tp"] + shown["fp"] == called
        assert shown["tp"] == found
        assert (shown["precision"], shown["recall"]) == (precision, recall)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5])
def test_a_share_of_positives_is_what_weights_make_of_it(compute, stored, share):
    shown = play(compute("threshold"), stored("threshold"), share=share)
    everyone = sum(shown[name] for name in ("tp", "fp", "fn", "tn"))
    assert (shown["tp"] + shown["fn"]) / everyone == pytest.approx(share)


SHARES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.1, 0.2, 0.5]


def check_people(page, data):
    """Whole people add up, and are as many as their shares say."""
    for share in SHARES:
        for found in play(page, data, 0.0, 0.1, 0.5, 0.7, 1.0, share=share)["at"]:
            names = ("tp", "fp", "fn", "tn")
            whole = page.evaluate(
                "([found, share]) => labs.compute.threshold.people(found, share, 1e5)",
                [found, share],
            )
            all_ = sum(found[name] for name in names)
            close(
                [whole[n] for n in names], [found[n] / all_ * 1e5 for n in names], 0.5
            )
            assert all(isinstance(whole[name], int) for name in names)
            assert sum(whole.values()) == 100_000
            assert whole["tp"] + whole["fn"] == round(share * 100_000)


def test_whole_people_add_up(compute, stored):
    check_people(compute("threshold"), stored("threshold"))


@pytest.mark.parametrize(
    "slip",
    [
        ("Math.round(whole * over", "Math.floor(whole * over"),
        ("fn: ill - tp, tn", "fn: ill - fp, tn"),
        ("part(found.fp, found.tn, all - ill)", "part(found.fp, found.tn, all)"),
        ("part(found.tp, found.fn, ill)", "Math.round(found.tp)"),
    ],
)
def test_people_who_do_not_add_up_are_seen(slip, compute, stored):
    with pytest.raises(AssertionError):
        check_people(compute("threshold", replace=slip), stored("threshold"))


# ---- what the prose says


def test_task_fewest_false_alarms(compute, stored):
    page, data = compute("threshold"), stored("threshold")
    shown = play(page, data)
    assert shown["bestPrecision"] == 0.3
    shown = play(page, data, 0.3)
    assert (shown["tp"], shown["fp"], shown["fn"]) == (19, 8, 1)
    lost = play(page, data, 0.321)
    assert (lost["tp"], lost["fp"]) == (18, 8)
    assert play(page, data, 0.32)["tp"] == 19
    others = play(page, data, *data["scores"]["relu"].tolist())["at"]
    assert min(one["fp"] for one in others if one["tp"] >= 19) == 8


def test_task_accuracy_hardly_moves(compute, stored):
    page, data = compute("threshold"), stored("threshold")
    cuts = [cut for cut in data["scores"]["relu"].tolist() if cut > 0.1]
    shown = play(page, data, 0.1, *cuts, 1.0)["at"]
    recalls = [one["recall"] for one in shown]
    assert (max(recalls), min(recalls)) == (0.95, 0)
    truth = data["truth"]
    assert (len(truth), (truth == 0).sum()) == (400, 380)
    accuracies = [one["accuracy"] for one in shown]
    assert min(accuracies) == 0.950
    assert max(accuracies) == 0.985


def test_task_rarer_illness(compute, stored):
    page, data = compute("threshold"), stored("threshold")
    now = play(page, data, 0.5, share=0.05)
    rare = play(page, data, 0.5, share=0.005)
    assert now == play(page, data, 0.5)
    assert now["recall"] == rare["recall"]
    close(now["roc"], rare["roc"], 1e-12)
    close(now["auroc"], rare["auroc"], 1e-12)
    assert round(now["precision"], 3) == 0.773
    assert round(rare["precision"], 3) == 0.245
    assert rare["averagePrecision"] < now["averagePrecision"]
    for shown, healthy in ((now, 19), (rare, 199)):
        positives = shown["tp"] + shown["fn"]
        assert (shown["tn"] + shown["fp"]) / positives == pytest.approx(healthy)


def test_task_straight_edges(compute, stored):
    page, data = compute("threshold"), stored("threshold")
    shown = play(page, data, model="linear")
    assert round(shown["auroc"], 3) == 0.466
    best = play(page, data, shown["bestF1"], model="linear")
    assert round(best["f1"], 3) == 0.115
    assert best["tp"] + best["fp"] == 327
    assert best["tp"] + best["fp"] + best["fn"] + best["tn"] == 400
    assert abs(shown["auroc"] - 0.5) < 0.05


# ---- the lab in the page


def shown(page):
    names = ("tn", "fp", "fn", "tp", "precision", "recall", "f1", "accuracy")
    return {name: page.inner_text(f"[data-part={name}]") for name in names}


def test_the_lab_opens_with_the_chapters_matrix(lab):
    page = lab("threshold")
    values = shown(page)
    assert [values[name] for name in ("tn", "fp", "fn", "tp")] == [
        "375",
        "5",
        "3",
        "17",
    ]
    assert (values["precision"], values["recall"]) == ("0.773", "0.850")
    assert page.inner_text("[data-part=same]").endswith(" 0")
    assert page.locator("[data-part=pr] .dots").count() == 4
    assert "22 of 400" in page.get_attribute("[data-part=points]", "aria-label")


def test_buttons_and_keys_move_the_line(lab):
    page = lab("threshold")
    page.get_by_role("button", name="Recall at least 0.95").click()
    assert page.inner_text("[data-part=threshold-is]") == "0.3"
    assert shown(page)["recall"] == "0.950"
    assert "19 of them rightly; 1 ill ones" in page.text_content("[data-part=told]")
    slider = page.get_by_role("slider", name="Threshold")
    slider.press("Home")
    assert shown(page)["fp"] == "380"
    slider.press("End")
    values = shown(page)
    assert [values[name] for name in ("precision", "recall", "tn")] == [
        "\N{EN DASH}",
        "0.000",
        "380",
    ]
    assert page.inner_text("[data-part=precision-how]") == "nobody is called ill"
    assert page.locator("[data-part=pr] .here").count() == 0
    # Each key goes one step on, whatever rounding makes of the threshold.
    for step in range(399, 330, -1):
        slider.press("ArrowLeft")
        assert slider.input_value() == str(step)


def test_dragging_moves_the_line(lab):
    page = lab("threshold")
    box = page.locator("[data-part=points]").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 2, middle, steps=4)
    assert shown(page)["tp"] == "0"
    page.mouse.move(box["x"] - 20, middle, steps=4)
    assert shown(page)["fn"] == "0"
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"], middle)
    assert shown(page)["fn"] == "0"


def test_the_cells_add_up_to_what_is_said(lab):
    page = lab("threshold")
    for share in range(9):
        page.get_by_role("slider", name="Share of ill people").fill(str(share))
        for step in (0, 120, 200, 260, 330):
            page.get_by_role("slider", name="Threshold").fill(str(step))
            values = {n: float(t.replace(",", "")) for n, t in shown(page).items()}
            tp, fp, fn, tn = (values[name] for name in ("tp", "fp", "fn", "tn"))
            how = {
                name: [
                    int(word.replace(",", ""))
                    for word in page.inner_text(f"[data-part={name}-how]").split()
                    if word[0].isdigit()
                ]
                for name in ("precision", "recall", "accuracy")
            }
            assert how["precision"] == [tp, tp + fp]
            assert how["recall"] == [tp, tp + fn]
            assert how["accuracy"] == [tp + tn, tp + fp + fn + tn]
            for name, (part, whole) in how.items():
                assert values[name] == pytest.approx(part / whole, abs=0.000501)


def test_share_and_model_change_what_is_shown(lab):
    page = lab("threshold")
    area = page.inner_text("[data-part=auroc]")
    page.get_by_role("slider", name="Share of ill people").fill("2")
    values = shown(page)
    assert values["precision"] == "0.245"
    assert values["recall"] == "0.850"
    assert "100,000 people, 0.5 %" in page.inner_text("[data-part=whom]")
    assert page.inner_text("[data-part=auroc]") == area
    assert not page.locator("[data-part=same]").is_visible()
    page.get_by_role("radio", name="with straight edges").check()
    assert page.inner_text("[data-part=auroc]") == "AUC 0.466"
