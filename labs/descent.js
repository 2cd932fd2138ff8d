// Chapter 4: SGD, momentum and Adam race down the chapter's valley.
labs.show ??= {};
labs.show.descent = (root, data) => {
  const {mse, follow, runsAway, valley} = labs.compute.descent;
  const {parts, runner, colour, pencil, chart, fill, short} = labs.page;
  const STEPS = 200;
  const [FLOOR, TOP] = [1e-10, 100]; // of the chart
  // The learning rates of the slider: even steps would leave few close to a limit.
  const RATES = [0.001, 0.01, 0.1].flatMap((by) =>
    [1, 1.2, 1.5, 1.6, 1.7, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9].map((rung) =>
      Number((rung * by).toPrecision(2)))).concat(1);
  const RULES = Object.keys(data.settings);
  const [x, y] = [Array.from(data.x), Array.from(data.y)];
  const {lowest, angle, ellipse} = valley(x, y);
  const corner = lowest.map((value) => value - 1); // the map is a square of side 2
  const {part, chosen, announce} = parts(root, () => draw());
  let settings, start, paths;
  let step = 100;
  let fresh = true; // until the first descent, which begins at the start

  const number = (value, digits = 3) => {
    const size = Math.abs(value);
    const far = size >= 1e5 || (size < 1e-4 && size > 0);
    const text = far ? value.toExponential(digits - 1) : short(value, digits);
    return text.replace("-", "−").replace("Infinity", "∞");
  };
  const exact = (value) =>
    Math.abs(value) < 1e4 ? value.toFixed(5).replace("-", "−") : number(value, 5);
  const bracket = (value) => (value < 0 ? `(${exact(value)})` : exact(value));
  const phrase = (name, which, values) => fill(part(name).dataset[which], values);
  const offset = (at) => at.map((value, i) => value - lowest[i]);
  const rungOf = (rate) => RATES.findLastIndex((rung) => rung <= rate);
  const key = (rule) => rule.toLowerCase();
  const inFront = (rule) => [...RULES.filter((other) => other !== rule), rule];
  const isCells = (rule) =>
    String(start) === String(data.start) &&
    Object.entries(data.settings[rule]).every(([name, is]) => settings[rule][name] === is);

  function descend() {
    paths = Object.fromEntries(RULES.map((rule) =>
      [rule, follow(rule, settings[rule], start, STEPS, x, y)]));
    draw();
  }

  function reset() {
    settings = structuredClone(data.settings);
    start = data.start;
    descend();
  }

  const tell = () => announce(part("state").textContent);
  const run = runner(root, {
    frame(ms) {
      go(step + (ms > 100 ? 20 : 1));
      return step < STEPS;
    },
    change(on) {
      part("run").textContent = part("run").dataset[on ? "pause" : "go"];
      if (!on) tell();
    },
  });

  function go(to) {
    step = Math.min(to, STEPS);
    fresh = false;
    draw();
  }

  function halt(act) {
    run.stop();
    act();
    tell();
  }

  // ---- the map
  function drawMap(rule) {
    const {pen, width} = pencil(part("map"));
    const unit = width / 2;
    const place = ([w, b]) => [(w - corner[0]) * unit, width - (b - corner[1]) * unit];
    const [ink, ground, hill] = ["ink", "ground", "hill"].map((name) =>
      colour(root, `--lab-${name}`));
    const fillWith = (fillStyle, globalAlpha) => {
      Object.assign(pen, {fillStyle, globalAlpha});
      pen.fill();
    };
    const disc = (at, radius) => {
      pen.beginPath();
      pen.arc(...place(at), radius, 0, 7);
    };

    // Ellipses of equal loss, from the highest down: the higher, the more colour. The
    // first one is larger than the map.
    for (let i = 12; i >= 0; i--) {
      const [steep, flat] = ellipse(0.01 * 2 ** i).map((radius) => radius * unit);
      pen.beginPath();
      pen.ellipse(...place(lowest), steep, flat, -angle, 0, 7);
      fillWith(ground, 1);
      fillWith(hill, i / 15);
    }

    Object.assign(pen, {fillStyle: ink, globalAlpha: 0.8, font: "11px sans-serif"});
    for (const by of [0.5, 1, 1.5]) {
      const [w, b] = corner.map((from) => number(from + by));
      pen.textAlign = "center";
      pen.fillText(by === 1 ? `w = ${w}` : w, by * unit, width - 6);
      pen.textAlign = "left";
      pen.fillText(by === 1 ? `b = ${b}` : b, 6, (2 - by) * unit + 4);
    }

    for (const one of inFront(rule)) {
      const own = colour(part(`${one}-rate`), "--own");
      const walked = paths[one].slice(0, step + 1);
      const bold = one === rule;
      pen.lineJoin = "round";
      pen.beginPath();
      for (const {at} of walked) {
        if (!(Math.hypot(...offset(at)) < 3.5)) break; // what runs away would cover it all
        pen.lineTo(...place(at));
      }
      for (const [strokeStyle, lineWidth, globalAlpha] of bold
        ? [[ground, 4.5, 0.6], [own, 2, 1]] : [[own, 1.25, 0.7]]) {
        Object.assign(pen, {strokeStyle, lineWidth, globalAlpha});
        pen.stroke();
      }
      for (const {at} of bold ? walked : []) {
        disc(at, 2.5);
        fillWith(own, 1);
      }
      const here = walked.findLast(({at}) => at.every(Number.isFinite)).at;
      const away = offset(here);
      const share = Math.max(...away.map(Math.abs));
      disc(here, bold ? 6 : 4);
      if (share > 1) {
        // Outside: a triangle at the edge says in which direction.
        const [cx, cy] = place(lowest.map((value, i) => value + (0.95 * away[i]) / share));
        const turn = Math.atan2(-away[1], away[0]);
        pen.beginPath();
        for (const by of [0, 2.4, -2.4])
          pen.lineTo(cx + 11 * Math.cos(turn + by), cy + 11 * Math.sin(turn + by));
        pen.closePath();
      }
      fillWith(own, 1);
      Object.assign(pen, {strokeStyle: ground, lineWidth: 1.5});
      pen.stroke();
      if (bold && share <= 1) drawDownhill(pen, place(here), walked.at(-1).moves, ink);
    }

    // The start is a ring, the minimum a star.
    Object.assign(pen, {strokeStyle: ink, lineWidth: 2});
    disc(start, 8);
    pen.stroke();
    const [cx, cy] = place(lowest);
    pen.beginPath();
    for (let i = 0; i < 10; i++) {
      const [turn, radius] = [(Math.PI * (2 * i + 5)) / 10, i % 2 ? 3 : 7.5];
      pen.lineTo(cx + radius * Math.cos(turn), cy - radius * Math.sin(turn));
    }
    fillWith(ink, 1);
  }

  // An arrow straight downhill, against the slopes.
  function drawDownhill(pen, [cx, cy], moves, strokeStyle) {
    const [dw, db] = moves.map(({slope}) => slope);
    if (Math.hypot(dw, db) < 1e-3) return;
    pen.save();
    pen.translate(cx, cy);
    pen.rotate(Math.atan2(db, -dw));
    Object.assign(pen, {strokeStyle, lineWidth: 2, lineCap: "round"});
    pen.stroke(new Path2D("M9 0H34M27-5L34 0L27 5"));
    pen.restore();
  }

  // ---- the losses, with those of the cell as rings
  function drawLosses(rule) {
    const ticks = [-10, -8, -6, -4, -2, 0, 2].map((power) =>
      [10 ** power, power ? `10<tspan dy="-4" font-size="8">${number(power)}</tspan>` : "1"]);
    // A loss that leaves the chart for good ends in an arrow.
    const leaves = (one) => 1 + paths[one].slice(0, step + 1).findLastIndex(({loss}) => loss <= TOP);
    const points = (one) => paths[one].slice(0, leaves(one))
      .map(({loss}, at) => [at, Math.max(loss, FLOOR)]);
    const line = (one) => {
      const at = leaves(one);
      const off = [[at, TOP], [at - 4, TOP / 8], [at, TOP], [at + 4, TOP / 8]];
      return at > step ? points(one) : [...points(one), ...off];
    };
    const rings = data.rings[rule].map((values, i) => [10 * i, values]);
    const same = isCells(rule);
    part("losses").setAttribute("class", `is-${key(rule)}`);
    chart(part("losses"), {
      series: [
        ...inFront(rule).map((one) =>
          ({kind: `is-${key(one)}${one === rule ? " is-bold" : ""}`, points: line(one)})),
        {kind: "dots", points: same ? rings.map(([at, is]) => [at, mse(is, x, y).loss]) : []},
        {kind: "here", points: points(rule).slice(step)},
      ],
      xMax: STEPS, yMin: FLOOR, yMax: TOP, log: true, ticks, xLabel: part("losses").dataset.x,
    });
    const by = Math.max(...rings.flatMap(([at, is]) =>
      paths[rule][at].at.map((value, i) => Math.abs(value - is[i]))));
    part("same").textContent = phrase("same", same ? (by ? "near" : "equal") : "other", {by: number(by, 1)});
    part("cell").disabled = RULES.every(isCells);
  }

  // ---- everything
  function draw() {
    const rule = chosen("rule");
    const path = paths[rule];
    const {at, loss, moves} = path[step];
    const {lr} = settings[rule];
    const {momentum} = settings.momentum;
    drawMap(rule);
    drawLosses(rule);

    const away = runsAway(path) && !(loss <= path[0].loss);
    part("state").classList.toggle("is-away", away);
    part("state").textContent = phrase("state", away ? "away" : "near", {
      step, rule, loss: number(loss), times: number(loss / path[0].loss, 2),
      far: number(Math.hypot(...offset(at))),
    });
    const [[w, b], [startW, startB], [bestW, bestB]] = [at, start, lowest].map((point) =>
      point.map((value) => number(value)));
    part("map").setAttribute("aria-label",
      phrase("map", "say", {rule, step, w, b, startW, startB, bestW, bestB}));
    for (const one of RULES)
      for (const [name, values] of [
        ["rate", {lr: settings[one].lr}], ["loss", {loss: number(paths[one][step].loss)}],
      ])
        part(`${one}-${name}`).textContent = phrase(`${one}-${name}`, "say", values);

    part("formula").textContent = part("formula").dataset[key(rule)];
    ["w", "b"].forEach((name, i) => {
      const {by, ...numbers} = moves[i];
      for (const one in numbers) numbers[one] = bracket(numbers[one]);
      const factor = -by / lr; // what the rate is multiplied by
      part(`next-${name}`).textContent = phrase(`next-${name}`, key(rule), {
        ...numbers, lr, momentum, factor: bracket(factor), sum: exact(factor),
        now: exact(at[i]), then: exact(at[i] + by),
      });
    });

    for (const [name, value, is] of [
      ["lr", rungOf(lr), lr], ["momentum", momentum, momentum],
      ["w", start[0], startW], ["b", start[1], startB], ["time", step, step],
    ]) {
      part(name).value = value;
      part(name).setAttribute("aria-valuetext", is);
      part(`${name}-is`).textContent = is;
    }
    part("momentum").disabled = rule !== "momentum";
  }

  // ---- what a reader can do
  const onClick = (name, act) => part(name).addEventListener("click", act);
  onClick("run", () => {
    if (fresh || step === STEPS) step = 0;
    run.toggle();
  });
  onClick("one", () => halt(() => go(step + 1)));
  onClick("back", () => halt(() => go(0)));
  onClick("cell", () => halt(reset));
  root.addEventListener("input", ({target}) => {
    const value = Number(target.value);
    const act = {
      lr: () => (settings[chosen("rule")].lr = RATES[value]),
      momentum: () => (settings.momentum.momentum = value),
      w: () => (start = [value, start[1]]),
      b: () => (start = [start[0], value]),
      time() {
        run.stop();
        go(value);
      },
    }[target.dataset.part];
    act?.();
    descend();
  });
  root.addEventListener("change", () => run.running() || tell());

  // Where a press on the map ends, a descent begins. A swipe that scrolls takes it back.
  let before = null;
  const from = (point) => {
    start = point;
    descend();
  };
  const move = ({offsetX, offsetY}) => {
    const {clientWidth: side} = part("map");
    const inside = (share) => 2 * Math.min(Math.max(share, 0), 1);
    from([inside(offsetX / side), inside(1 - offsetY / side)].map((by, i) =>
      Number((corner[i] + by).toFixed(2))));
  };
  const on = (type, act) => part("map").addEventListener(`pointer${type}`, (event) => {
    if (before || type === "down") act(event);
  });
  on("down", (event) => {
    if (event.button) return;
    run.stop();
    before = start;
    part("map").setPointerCapture(event.pointerId);
    move(event);
  });
  on("move", move);
  on("up", () => {
    before = null;
    step = 0;
    run.start();
  });
  on("cancel", () => {
    from(before);
    before = null;
  });

  part("time").max = STEPS;
  part("lr").max = RATES.length - 1;
  reset();
};
