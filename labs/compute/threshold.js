// Chapter 7: what a threshold makes of scores, counted and measured as torchmetrics does.
// A negative may weigh more or less than a positive: that changes the share of positives.
globalThis.labs ??= {};
labs.compute ??= {};
labs.compute.threshold = (() => {
  const over = (part, whole) => (whole ? part / whole : 0); // 0/0 is 0

  // Positive is what lies above the threshold, not at it. Scores are float32, and torch
  // rounds the threshold to that before it compares.
  function counts(scores, truth, threshold, weight = 1) {
    const cut = Math.fround(threshold);
    const found = {tp: 0, fp: 0, fn: 0, tn: 0};
    scores.forEach((score, i) => {
      if (truth[i]) found[score > cut ? "tp" : "fn"] += 1;
      else found[score > cut ? "fp" : "tn"] += 1;
    });
    return {...found, fp: weight * found.fp, tn: weight * found.tn};
  }

  const metrics = ({tp, fp, fn, tn}) => ({
    accuracy: over(tp + tn, tp + fp + fn + tn),
    precision: over(tp, tp + fp),
    recall: over(tp, tp + fn),
    f1: over(2 * tp, 2 * tp + fp + fn),
  });

  // The same shares among so many people, in whole numbers that add up.
  function people(found, share, all) {
    const ill = Math.round(share * all);
    const part = (count, other, whole) => Math.round(whole * over(count, count + other));
    const tp = part(found.tp, found.fn, ill);
    const fp = part(found.fp, found.tn, all - ill);
    return {tp, fp, fn: ill - tp, tn: all - ill - fp};
  }

  // What a negative weighs if that share of all is to be positive.
  function weightFor(share, truth) {
    const positives = truth.reduce((sum, label) => sum + label, 0);
    return ((1 - share) * positives) / (share * (truth.length - positives));
  }

  // One step per distinct score, the highest first: who is at or above it.
  function steps(scores, truth, weight = 1) {
    const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
    const rows = [];
    let tp = 0;
    order.forEach((at, i) => {
      tp += truth[at];
      if (scores[at] === scores[order[i + 1]]) return; // a tie: one step for all of them
      rows.push({cut: scores[at], tp, fp: weight * (i + 1 - tp)});
    });
    return rows;
  }

  // Points [false positive rate, recall], from (0, 0) on.
  function roc(rows) {
    const last = rows.at(-1);
    return [[0, 0], ...rows.map(({tp, fp}) => [over(fp, last.fp), over(tp, last.tp)])];
  }

  // Points [recall, precision], from (0, 1) on. Without positives every recall is 1.
  function precisionRecall(rows) {
    const last = rows.at(-1);
    return [[0, 1], ...rows.map(({tp, fp}) => [last.tp ? tp / last.tp : 1, tp / (tp + fp)])];
  }

  // The first area has slanted tops (trapezoids), the second one flat tops.
  const area = (points, height) =>
    points.slice(1).reduce((sum, point, i) =>
      sum + (point[0] - points[i][0]) * height(points[i][1], point[1]), 0);
  const auroc = (rows) => area(roc(rows), (before, now) => (before + now) / 2);
  const averagePrecision = (rows) => area(precisionRecall(rows), (before, now) => now);

  // The threshold with the fewest digits that lets the steps up to this one pass.
  function roundThreshold(rows, at) {
    const high = rows[at].cut;
    const low = rows[at + 1]?.cut ?? 0;
    for (let digits = 1; digits < 12; digits++) {
      const cut = (Math.ceil(high * 10 ** digits) - 1) / 10 ** digits;
      if (cut >= low && Math.fround(cut) < high) return cut;
    }
    return low;
  }

  // The best step by some measure, the lowest threshold where several are; null if there
  // is none. A score of 0 lies above no threshold.
  function best(rows, measure) {
    const last = rows.at(-1);
    let found = null;
    let most = 0;
    rows.forEach(({cut, tp, fp}, at) => {
      const value = measure(metrics({tp, fp, fn: last.tp - tp, tn: last.fp - fp}));
      if (cut > 0 && value > 0 && value >= most) [most, found] = [value, at];
    });
    return found === null ? null : roundThreshold(rows, found);
  }
  const bestF1 = (rows) => best(rows, ({f1}) => f1);
  const bestPrecision = (rows, least) =>
    best(rows, ({precision, recall}) => (recall >= least ? precision : 0));

  return {
    counts, metrics, people, weightFor, steps, roc, precisionRecall, auroc, averagePrecision,
    bestF1, bestPrecision,
  };
})();
