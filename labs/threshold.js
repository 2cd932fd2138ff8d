// Chapter 7: a threshold over the scores of the chapter's two models.
labs.show ??= {};
labs.show.threshold = (root, data) => {
  const lab = labs.compute.threshold;
  const {fill, short, parts, colour, pencil, chart} = labs.page;
  const {part, say, chosen} = parts(root, () => draw());
  const SHARES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
  const TICKS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];
  const PEOPLE = 100000;
  const STEPS = 400;
  const END = 8; // half a slider's thumb, so that the line stands above it
  const {truth} = data;
  const ill = truth.reduce((sum, label) => sum + label, 0);
  const own = ill / truth.length;
  const three = (value) => value.toFixed(3);
  const percent = (share) => `${short(100 * share, 3)} %`;
  let threshold = 0.5;

  // ---- the axis: logits, so stretched at both ends, but labelled with probabilities
  const logit = (p) => Math.min(Math.max(Math.log(p / (1 - p)), -16), 16);
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  function axis() {
    const all = [...data.scores[chosen("model")]].map(logit);
    const low = Math.max(Math.min(...all), logit(TICKS[0]));
    const high = Math.max(...all);
    const room = 0.04 * (high - low) || 1;
    return {low: low - room, high: high + room};
  }
  const placeOf = (p, {low, high}) => Math.min(Math.max((logit(p) - low) / (high - low), 0), 1);
  const stepOf = (p, ends) => Math.round(STEPS * placeOf(p, ends));

  // The probability at a step of the slider, with as few digits as can tell it from the
  // next step. At the ends everyone is called the same.
  function thresholdAt(step, ends) {
    if (step <= 0 || step >= STEPS) return step <= 0 ? 0 : 1;
    const p = sigmoid(ends.low + (step / STEPS) * (ends.high - ends.low));
    for (let digits = 1; ; digits++) {
      const cut = Number(p.toFixed(digits));
      if (digits > 12 || stepOf(cut, ends) === step) return cut;
    }
  }

  function ticks({low, high}) {
    const inside = (p) => logit(p) > low && logit(p) < high;
    if (TICKS.filter(inside).length > 2) return TICKS.filter(inside);
    const step = 10 ** Math.floor(Math.log10(sigmoid(high) - sigmoid(low)));
    const first = Math.ceil(sigmoid(low) / step);
    return Array.from({length: 12}, (_, i) => Number(((first + i) * step).toFixed(9))).filter(inside);
  }

  // ---- the points, stacked: healthy ones above the axis, ill ones below
  function drawPoints(scores) {
    const canvas = part("points");
    const {pen, width, height} = pencil(canvas);
    const ends = axis();
    const inner = width - 2 * END;
    const X = (p) => END + inner * placeOf(p, ends);
    const [top, bottom, scale] = [30, 4, 20];
    const cut = Math.fround(threshold);
    const seen = [...scores.keys()].filter((i) => logit(scores[i]) > ends.low);
    seen.sort((a, b) => scores[a] - scores[b]);
    const more = scores.length - seen.length;

    // Each dot at its score, in the first row where there is room for it.
    function stack(pitch) {
      const rows = [[], []]; // where the last dot of each row is
      const dots = seen.map((i) => {
        const [x, lasts] = [X(scores[i]), rows[truth[i]]];
        const free = lasts.findIndex((last) => x - last >= pitch);
        const row = free < 0 ? lasts.length : free;
        lasts[row] = x;
        return {i, row, x};
      });
      return {pitch, dots, tall: rows.map((lasts) => lasts.length)};
    }
    const room = height - top - bottom - scale - (more ? 30 : 14); // for words
    let piles = stack(11);
    while (piles.pitch > 2 && (piles.tall[0] + piles.tall[1] + 1) * piles.pitch > room)
      piles = stack(piles.pitch - 0.25);
    const {pitch, dots, tall} = piles;
    const base = height - bottom - scale - (tall[1] + 0.5) * pitch;

    const [ink, muted, line, accent, ground] = ["ink", "muted", "line", "accent", "ground"]
      .map((name) => colour(root, `--lab-${name}`));
    const at = X(threshold);
    pen.globalAlpha = 0.1;
    pen.fillStyle = accent;
    pen.fillRect(at, top - 6, width - at, height - top - scale + 6);
    pen.globalAlpha = 1;

    pen.font = `12px ${getComputedStyle(root).fontFamily}`;
    pen.textBaseline = "middle";
    pen.strokeStyle = line;
    pen.fillStyle = muted;
    pen.textAlign = "center";
    for (const p of ticks(ends)) {
      pen.fillRect(X(p) - 0.5, base - 3, 1, 6);
      const half = pen.measureText(p).width / 2;
      pen.fillText(p, Math.min(X(p), width - half), height - bottom - scale / 2 + 2);
    }
    pen.fillRect(END, base - 0.5, inner, 1);

    const hues = [colour(root, "--lab-blue"), colour(root, "--lab-orange")];
    pen.lineWidth = 1.25;
    for (const {i, row, x} of dots) {
      const away = 3 + (row + 0.5) * pitch;
      pen.fillStyle = pen.strokeStyle = hues[truth[i]];
      pen.beginPath();
      pen.arc(x, truth[i] ? base + away : base - away, Math.max(pitch / 2 - 1, 1), 0, 7);
      if (scores[i] > cut) pen.fill();
      pen.stroke();
    }

    const {dataset} = canvas;
    pen.textAlign = "left";
    pen.font = pen.font.replace("12px", "600 13px");
    pen.fillStyle = hues[0];
    pen.fillText(dataset.healthy, 2, top + 4);
    pen.fillStyle = hues[1];
    pen.fillText(dataset.ill, 2, height - bottom - scale - 9);
    if (more) {
      pen.font = pen.font.replace("600 13px", "12px");
      pen.fillStyle = hues[0];
      pen.fillText(fill(dataset.left, {more}), 2, top + 20);
    }

    // The line, its grip, and what it makes of the points.
    pen.fillStyle = accent;
    pen.fillRect(at - 1, top - 8, 2, height - top - scale + 8);
    const words = `‹ ${threshold} ›`;
    const half = pen.measureText(words).width / 2 + 8;
    const grip = Math.min(Math.max(at, half), width - half);
    pen.beginPath();
    pen.roundRect(grip - half, 0, 2 * half, 22, 11);
    pen.fill();
    pen.fillStyle = ground;
    pen.textAlign = "center";
    pen.fillText(words, grip, 11);
    pen.fillStyle = ink;
    const aside = (side, space, ...texts) => {
      const text = texts.find((words) => pen.measureText(words).width + 10 < space) ?? "";
      pen.textAlign = side < 0 ? "right" : "left";
      pen.fillText(text, grip + side * (half + 8), 11);
    };
    aside(1, width - grip - half, dataset.yes, dataset.ill);
    aside(-1, grip - half, dataset.no, dataset.healthy);
  }

  // ---- everything else
  function draw() {
    const scores = data.scores[chosen("model")];
    const share = SHARES[part("share").value];
    const same = Math.abs(share - own) < 1e-9;
    const weight = same ? 1 : lab.weightFor(share, truth);
    let found = lab.counts(scores, truth, threshold);
    if (!same) found = lab.people(found, share, PEOPLE);
    const {tp, fp, fn, tn} = found;
    const metrics = lab.metrics(found);
    const rows = lab.steps(scores, truth, weight);
    drawPoints(scores);

    const values = {threshold, share: percent(share)};
    const sums = {called: tp + fp, ill: tp + fn, right: tp + tn, all: tp + fp + fn + tn};
    for (const [name, value] of Object.entries({...found, ...sums}))
      values[name] = value.toLocaleString();
    for (const name in found) part(name).textContent = values[name];
    for (const [name, value] of Object.entries(metrics)) {
      // 0 of 0 isn't 0.
      const none = name === "precision" && !sums.called;
      part(name).textContent = values[name] = none ? "–" : three(value);
      part(`${name}-bar`).style.setProperty("--share", `${100 * value}% 100%`);
      const how = part(`${name}-how`);
      how.textContent = fill(none ? how.dataset.none : how.dataset.say, values);
    }
    part("whom").textContent = fill(part("whom").dataset[same ? "own" : "other"], values);
    part("threshold-is").textContent = threshold;
    part("share-is").textContent = percent(share);
    part("share").ariaValueText = percent(share);
    part("threshold").ariaValueText = threshold;
    part("threshold").value = stepOf(threshold, axis());

    // Rings where the chapter's table stands: threshold, called, found, precision, recall.
    const table = same && chosen("model") === "relu" ? data.table : [];
    const rate = fp / (fp + tn);
    const frame = {xMax: 1, yMin: 0, yMax: 1, ticks: [[0, "0"], [0.5, "0.5"], [1, "1"]]};
    chart(part("roc"), {
      ...frame, xLabel: part("roc").dataset.x,
      series: [
        {kind: "third", points: [[0, 0], [1, 1]]},
        {kind: "line", points: lab.roc(rows)},
        {kind: "here", points: [[rate, metrics.recall]]},
      ],
    });
    const curve = lab.precisionRecall(rows);
    chart(part("pr"), {
      ...frame, xLabel: part("pr").dataset.x,
      series: [
        {kind: "third", points: [[0, share], [1, share]]},
        // In steps, so that the area is the average precision.
        {kind: "line", points: curve.slice(1).flatMap(([x, y], i) => [[curve[i][0], y], [x, y]])},
        {kind: "dots", points: table.map(([, , , precision, recall]) => [recall, precision])},
        // Without alarms precision is 0/0, and no place on the curve.
        {kind: "here", points: sums.called ? [[metrics.recall, metrics.precision]] : []},
      ],
    });
    say("auroc", {area: three(lab.auroc(rows))});
    say("average", {area: three(lab.averagePrecision(rows))});
    values.rate = three(rate);
    for (const name of ["points", "roc", "pr"])
      part(name).ariaLabel = fill(part(name).dataset.label, values);
    part("same").hidden = !table.length;
    const by = table.map(([cut, called, hits, precision, recall]) => {
      const here = lab.counts(scores, truth, cut);
      const its = lab.metrics(here);
      return Math.max(Math.abs(here.tp + here.fp - called), Math.abs(here.tp - hits),
        Math.abs(its.precision - precision), Math.abs(its.recall - recall));
    });
    say("same", {by: short(Math.max(...by), 2)});
    return values;
  }

  function go(cut) {
    if (cut === null) return;
    threshold = cut;
    say("told", draw());
  }
  const rows = () => lab.steps(data.scores[chosen("model")], truth,
    lab.weightFor(SHARES[part("share").value], truth));
  part("half").addEventListener("click", () => go(0.5));
  part("best").addEventListener("click", () => go(lab.bestF1(rows())));
  part("most").addEventListener("click", () => go(lab.bestPrecision(rows(), 0.95)));
  root.addEventListener("input", ({target}) => {
    if (target === part("threshold")) threshold = thresholdAt(Number(target.value), axis());
    draw();
  });
  root.addEventListener("change", () => say("told", draw()));

  const points = part("points");
  function pull({offsetX, buttons}) {
    if (!buttons) return;
    const place = (offsetX - END) / (points.clientWidth - 2 * END);
    threshold = thresholdAt(Math.round(STEPS * place), axis());
    draw();
  }
  points.addEventListener("pointerdown", (event) => {
    points.setPointerCapture(event.pointerId);
    pull(event);
  });
  points.addEventListener("pointermove", pull);
  points.addEventListener("pointerup", () => say("told", draw()));

  part("share").value = SHARES.findIndex((share) => share >= own - 1e-9);
  draw();
};
