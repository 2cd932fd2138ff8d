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
