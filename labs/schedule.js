// Chapter 14: rates and momenta of six schedules, and what a small training makes of them.
labs.show ??= {};
labs.show.schedule = (root, data) => {
  const {plan, train} = labs.compute.schedule;
  const {parts, chart, fill, short} = labs.page;
  const {part, say, chosen, announce} = parts(root, () => draw());
  const BATCHES = data.seeds[0].order.shape[1] / 64;
  const {lr, epochs} = data.known;
  const SIBLING = {fit_one_cycle: "OneCycleLR", OneCycleLR: "fit_one_cycle"};

  // ---- settings: what all schedules share, and what each has for itself, as the words
  // of its sliders say
  const sliders = [...root.querySelectorAll("[data-slider] input")];
  const list = ({dataset}) => dataset.list?.split(" ").map(Number);
  const shared = {lr, epochs, mom: 0.9};
  const names = {};
  const own = {};
  for (const word of root.querySelectorAll("[data-default]"))
    for (const its of word.dataset.kinds.split(" ")) {
      const name = word.parentElement.dataset.slider;
      if (name in shared) continue;
      (own[its] ??= {})[name] = Number(word.dataset.default) || epochs * BATCHES;
      (names[its] ??= {})[name] = word.querySelector("code")?.textContent;
    }
  const DEFAULTS = structuredClone(own);
  const kind = () => chosen("kind");
  const all = (name, mine) => ({name, etaMin: 0, ...shared, ...mine});
  let kept = all("constant");

  // The call that gives a schedule; what is the default of a cycle isn't written out.
  function call(settings) {
    const {name, lr, epochs, mom, high, low, freezeEpochs} = settings;
    const words = Object.entries(names[name] ?? {})
      .filter(([key, word]) => word && !(high && settings[key] === DEFAULTS[name][key]))
      .map(([key, word]) => `, ${word}=${settings[key]}`);
    if (name.startsWith("fi") && (high !== 0.95 || low !== 0.85))
      words.push(`, moms=(${high}, ${low}, ${high})`);
    const options = words.join("");
    const opt = `SGD(params, lr=${lr}, momentum=${mom})`;
    return {
      constant: opt,
      OneCycleLR: `OneCycleLR(opt, ${lr}, total_steps=${epochs * BATCHES}${options})`,
      fit_one_cycle: `learn.fit_one_cycle(${epochs}, ${lr}${options})`,
      fine_tune: `learn.fine_tune(${epochs - freezeEpochs}, ${lr}${options})`,
    }[name] ?? `opt = ${opt}\n${name}(opt${options})`;
  }

  // ---- a run: its schedule, and the training from the chosen seed
  const bytes = (numbers) => Float64Array.from(numbers, (value) => value / 255);
  const images = {
    x: bytes(data.train[0]), labels: data.train[1],
    validX: bytes(data.valid[0]), validLabels: data.valid[1], size: 64,
  };
  const known = new Map();

  const planned = ({name, high, low, ...numbers}) =>
    plan(name, {...numbers, batches: BATCHES, moms: [high, low, high]});

  function run(settings) {
    const {head, order} = data.seeds[chosen("seed")];
    const key = JSON.stringify([settings, chosen("seed")]);
    if (known.size > 50) known.clear();
    if (!known.has(key)) {
      const schedule = planned(settings);
      const layers = [...data.body, head];
      known.set(key, {...schedule, ...train({...images, layers, order}, schedule)});
    }
    return known.get(key);
  }

  // ---- controls
  const home = (name) => (name in shared ? shared : own[kind()]);

  function read(slider) {
    const name = slider.dataset.part;
    const value = list(slider)?.[slider.value] ?? Number(slider.value);
    const {CosineAnnealingLR: cosine, fine_tune: tuning} = own;
    if (name === "epochs") {
      // T_max goes on meaning the whole training, and an epoch remains to be unfrozen.
      if (cosine.tMax === shared.epochs * BATCHES) cosine.tMax = value * BATCHES;
      tuning.freezeEpochs = Math.min(tuning.freezeEpochs, value - 1);
    }
    home(name)[name] = value;
  }

  function showControls() {
    for (const element of root.querySelectorAll("[data-kinds]"))
      element.hidden = !element.dataset.kinds.split(" ").includes(kind());
    part("freezeEpochs").max = shared.epochs - 1;
    for (const slider of sliders) {
      if (slider.parentElement.hidden) continue;
      const value = home(slider.dataset.part)[slider.dataset.part];
      const text = value < 1e4 ? String(value) : `1e${Math.log10(value)}`;
      slider.value = list(slider)?.indexOf(value) ?? value;
      slider.ariaValueText = slider.previousElementSibling.textContent = text;
    }
  }

  // ---- charts
  const points = (values) => Array.from(values, (value, step) => [step, value]);
  const brief = (value) =>
    value > 0 && value < 1e-3 ? value.toExponential(1) : short(value, 3);

  function graph(name, now, then, {steps, at, before = [], after = [], ...options}) {
    const series = [
      ...before,
      {points: points(then), kind: "second"},
      {points: points(now), kind: "line"},
      ...after,
      {points: [[at, now[at]]], kind: "here"},
    ];
    const {x, label} = part(name).dataset;
    // What is lower than the chart lies on its lower edge: a logarithm has no 0.
    for (const line of series)
      line.points = line.points.map(([step, y]) => [step, Math.max(y, options.yMin)]);
    chart(part(name), {
      series, xMax: steps, xLabel: x, marks: [at], ...options,
      ticks: options.ticks.map((y) => [y, y > 0 && y < 0.001 ? y.toExponential(0) : short(y, 3)]),
    });
    part(name).ariaLabel = fill(label, {
      first: brief(now[0]), last: brief(now.at(-1)), kept: brief(then.at(-1)),
      top: brief(Math.max(...now)), low: brief(Math.min(...now)),
    });
  }

  function drawRates(now, then, places) {
    const [head, other] = [now.lrs[2], SIBLING[kind()]];
    const before = kind() !== "fine_tune" ? []
      : [0, 1].map((group) => ({points: points(now.lrs[group]), kind: "line body"}));
    if (other) {
      const rates = planned(all(other, DEFAULTS[other])).lrs[2];
      before.push({points: points(rates), kind: "third"});
      say("other", {
        other, by: brief(Math.max(...rates.map((rate, step) => Math.abs(rate - head[step])))),
      });
    }
    const top = Math.max(...head, ...then.lrs[2]);
    const log = chosen("axis") === "log";
    const yMax = log ? 10 ** Math.ceil(Math.log10(top)) : top;
    const ticks = log ? [1, 1e-2, 1e-4, 1e-6] : [1, 0.5, 0];
    graph("rates", head, then.lrs[2], {
      ...places, before, log, yMax, yMin: log ? yMax / 1e7 : 0,
      ticks: ticks.map((share) => share * yMax),
    });
  }

  function draw() {
    showControls();
    const settings = all(kind(), own[kind()]);
    const [now, then] = [run(settings), run(kept)];
    const steps = now.moms.length;
    part("time").max = steps - 1;
    const at = Number(part("time").value);
    const places = {at, steps: Math.max(steps, then.moms.length)};
    const cell = {...all("fit_one_cycle", DEFAULTS.fit_one_cycle), lr, epochs};
    const same = chosen("seed") === "0" && JSON.stringify(settings) === JSON.stringify(cell);

    drawRates(now, then, places);
    const flat = Math.min(...now.moms, ...then.moms) < 0.8 ? [0, 0.5, 1] : [0.8, 0.9, 1];
    graph("moms", now.moms, then.moms, {...places, yMin: flat[0], yMax: 1, ticks: flat});
    const guess = Math.log(5);
    const worst = Math.max(...now.valid, ...then.valid);
    const tick = [0.5, 1, 2, 5, 10, 20].find((one) => worst <= 4.4 * one) ?? 50;
    graph("losses", now.valid, then.valid, {
      ...places, yMin: 0, yMax: 4.4 * tick, ticks: [0, 1, 2, 3, 4].map((times) => times * tick),
      before: [{points: [[0, guess], [places.steps, guess]], kind: "third"}],
      after: same
        ? [{points: points(data.known.losses).filter(([step]) => step % 4 === 0), kind: "dots"}]
        : [],
    });

    const which = kind() !== "fine_tune" ? "all" : at < now.frozen ? "frozen" : "groups";
    const [one, two, head] = now.lrs.map((rates) => brief(rates[at]));
    part("time").ariaValueText = part("here").textContent = fill(part("here").dataset[which], {
      step: at, one, two, head, mom: short(now.moms[at], 3), loss: short(now.valid[at], 3),
    });
    for (const [name, {right, valid}, its] of [["now", now, settings], ["kept", then, kept]]) {
      say(name, {steps, right: Math.round(100 * right), loss: valid.at(-1).toFixed(2)});
      part(`${name}-code`).textContent = call(its);
    }
    part("same").hidden = !same;
    const gaps = now.valid.map((loss, step) => Math.abs(loss - data.known.losses[step]));
    if (same) say("same", {by: Math.max(...gaps).toExponential(0)});
  }

  // At most one training per frame, however fast a slider moves.
  let waiting = false;
  root.addEventListener("input", ({target}) => {
    if (sliders.includes(target)) read(target);
    if (!waiting) requestAnimationFrame(() => ((waiting = false), draw()));
    waiting = true;
  });
  root.addEventListener("change", ({target}) => requestAnimationFrame(() =>
    announce(part(target === part("time") ? "here" : "now").textContent)));
  part("keep").addEventListener("click", () => {
    kept = all(kind(), own[kind()]);
    draw();
    announce(part("kept").textContent);
  });
  data.seeds.forEach(({seed}, i) => (part(`seed-${i}`).textContent = seed));
  part("time").max = epochs * BATCHES;
  part("time").value = 20;
  draw();
};
