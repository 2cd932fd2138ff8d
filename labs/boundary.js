// Chapter 6: train a network on the two rings, watch its boundary, and go back in time.
// Every part of the markup may be missing; settings without a control are the chapter's.
labs.show ??= {};

labs.show.boundary = (root, data) => {
  const {Network, measure, columns, sigmoid} = labs.compute.boundary;
  const {parts, runner, fill, colour, pencil, paint, diverge, contour, chart, thin} = labs.page;
  const SIDE = 73; // the plane is asked at 73 x 73 points
  const EVERY = 2; // maps of units show every second one
  const REACH = 1.2; // from -1.2 to 1.2, as in the chapter
  const LAST = 5000; // epochs
  const NAMES = {relu: "nn.ReLU()", tanh: "nn.Tanh()", sigmoid: "nn.Sigmoid()"};

  const [X_train, y_train, X_test, y_test] = data.rings;
  const train = {inputs: columns(X_train), labels: y_train};
  const test = {inputs: columns(X_test), labels: y_test};
  const across = Float64Array.from({length: SIDE}, (_, i) => ((2 * i) / (SIDE - 1) - 1) * REACH);
  const plane = [0, 1].map((axis) => Float64Array.from({length: SIDE * SIDE}, (_, at) =>
    axis ? -across[Math.floor(at / SIDE)] : across[at % SIDE]));

  const {part, say, chosen, announce} = parts(root, () => draw());
  const number = (name, otherwise) => Number(part(name)?.value ?? otherwise);
  const rates = part("lr")?.dataset.list.split(" ").map(Number) ?? [];
  const isSeed = () => part("seed")?.value !== "" && part("seed")?.validity.valid !== false;

  let net, used, past, shown, goal;
  let seed = data.seed;

  function settings() {
    const layers = number("layers", data.hidden.length);
    const units = number("units", data.hidden[0]);
    if (isSeed()) seed = number("seed", seed);
    return {
      sizes: [2, ...Array(layers).fill(units), 1],
      activation: chosen("activation") ?? data.activation,
      lr: rates[number("lr")] ?? data.lr,
      seed,
    };
  }

  const asInCell = () =>
    String(used.sizes) === String([2, ...data.hidden, 1]) && used.seed === data.seed &&
    used.activation === data.activation && used.lr === data.lr;

  // A new network, trained as far as the one before, so that settings can be compared.
  function restart(epochs = 0) {
    used = settings();
    if (part("seed-word")) part("seed-word").textContent = "";
    net = new Network(used.sizes, used.activation, used.seed);
    past = [{parameters: net.parameters.slice()}];
    shown = 0;
    goal = epochs;
    advance(0);
    draw();
    if (epochs) run.start();
    else run.stop();
    tell();
  }

  // From the epoch in view; the past holds what was measured after so many epochs.
  function advance(epochs, until = Infinity) {
    past.length = shown + 1;
    for (let i = 0; i < epochs && shown < LAST && performance.now() < until; i++) {
      Object.assign(past[shown], net.step(train.inputs, train.labels, used.lr));
      past[++shown] = {parameters: net.parameters.slice()};
    }
    Object.assign(past[shown], score(train));
  }

  const score = ({inputs, labels}) => measure(net.forward(inputs).at(-1)[0], labels);

  const run = runner(root, {
    frame(time) {
      // Slow enough to be watched: one epoch per millisecond
      advance(Math.min(time, goal - shown), performance.now() + time);
      draw();
      return shown < Math.min(goal, LAST) && Number.isFinite(past.at(-1).loss);
    },
    change(on) {
      const button = part("run");
      if (button) button.textContent = button.dataset[on ? "stop" : "start"];
      if (!on) tell();
    },
  });

  function back(epoch) {
    shown = epoch;
    net.parameters.set(past[epoch].parameters);
    draw();
  }

  // ---- what is seen
  function numbers() {
    const {loss, accuracy} = past[shown];
    return {
      epoch: shown.toLocaleString("en"),
      loss: loss.toFixed(4),
      train: (100 * accuracy).toFixed(1),
      test: (100 * score(test).accuracy).toFixed(1),
    };
  }

  function draw() {
    if (!past) return;
    const answers = net.forward(plane);
    if (part("plane")) drawPlane(answers.at(-1)[0]);
    if (part("maps")) drawUnits(answers.slice(0, -1));
    if (part("curve")) drawCurve();
    const now = numbers();
    say("state", now);
    if (part("time")) Object.assign(part("time"), {max: past.length - 1, value: shown});
    part("lr")?.setAttribute("aria-valuetext", used.lr);
    const seen = {
      ...now, "lr-is": used.lr, "layers-is": used.sizes.length - 2, "units-is": used.sizes[1],
    };
    for (const [name, text] of Object.entries(seen))
      if (part(name)) part(name).textContent = text;
  }

  function drawPlane(logits) {
    paint(part("ground"), SIDE, SIDE, (at) => {
      const sure = 2 * sigmoid(logits[at]) - 1;
      // As in the chapter, the sign alone decides; the depth is how sure the network is.
      const [r, g, b] = diverge(logits[at]);
      return [r, g, b, 25 + 95 * Math.abs(sure)];
    });
    const {pen, width} = pencil(part("plane"));
    const place = (value) => ((value / REACH + 1) / 2) * width;
    const ink = colour(root, "--lab-ink");
    if (part("bends")?.checked) drawBends(pen, place);
    const {inputs: [x, y], labels} = chosen("points") === "train" ? train : test;
    pen.strokeStyle = colour(root, "--lab-ground");
    for (const [label, name] of [[0, "--lab-blue"], [1, "--lab-orange"]]) {
      pen.fillStyle = colour(root, name);
      pen.beginPath();
      labels.forEach((is, i) => {
        if (is !== label) return;
        const [left, top] = [place(x[i]), place(-y[i])];
        if (label) pen.rect(left - 2.2, top - 2.2, 4.4, 4.4);
        else pen.moveTo(left + 2.5, top), pen.arc(left, top, 2.5, 0, 2 * Math.PI);
      });
      pen.lineWidth = 1.2;
      pen.stroke();
      pen.fill();
    }
    pen.strokeStyle = ink;
    pen.lineWidth = 2.25;
    pen.lineCap = "round";
    pen.beginPath();
    contour(logits, SIDE, (from, to) => {
      pen.moveTo(...from.map((at) => (at / (SIDE - 1)) * width));
      pen.lineTo(...to.map((at) => (at / (SIDE - 1)) * width));
    });
    pen.stroke();
  }

  // Where the units of the first layer are 0 before their activation
  function drawBends(pen, place) {
    const {weight, bias} = net.layers[0];
    pen.strokeStyle = colour(root, "--lab-ink");
    pen.lineWidth = 1;
    pen.setLineDash([4, 4]);
    pen.beginPath();
    bias.forEach((c, unit) => {
      const [a, b] = weight.subarray(2 * unit, 2 * unit + 2);
      const size = a * a + b * b;
      const [x, y, far] = [(-c * a) / size, (-c * b) / size, 4 / Math.sqrt(size)];
      pen.moveTo(place(x - b * far), place(-(y + a * far)));
      pen.lineTo(place(x + b * far), place(-(y - a * far)));
    });
    pen.stroke();
    pen.setLineDash([]);
  }

  // One box per layer, one map per unit; the largest answer of a layer has full colour.
  function drawUnits(layers) {
    const size = (SIDE - 1) / EVERY + 1;
    const onPoints = net.forward(train.inputs);
    let silent = 0;
    resize(part("maps"), layers.length, "div");
    layers.forEach((units, at) => {
      const box = part("maps").children[at];
      box.className = "lab-maps";
      box.style.setProperty("--columns",
        units.length > 10 ? Math.ceil(units.length / 2) : Math.max(units.length, 8));
      resize(box, units.length, "canvas");
      const most = units.map((unit) =>
        unit.reduce((top, answer) => Math.max(top, Math.abs(answer)), 1e-6));
      const top = Math.max(...most);
      units.forEach((unit, i) => {
        const isSilent = onPoints[at][i].every((answer) => answer === 0);
        silent += isSilent;
        box.children[i].classList.toggle("is-silent", isSilent);
        paint(box.children[i], size, size, (pixel) => {
          const [x, y] = [pixel % size, Math.floor(pixel / size)];
          return diverge(unit[EVERY * (y * SIDE + x)] / top);
        });
      });
    });
    say("silent", {silent, count: layers.flat().length});
  }

  function resize(box, count, tag) {
    while (box.children.length > count) box.lastChild.remove();
    while (box.children.length < count) box.append(document.createElement(tag));
  }

  function drawCurve() {
    let xMax = 1000;
    while (xMax < past.length - 1) xMax *= 2;
    xMax = Math.min(xMax, LAST);
    const losses = past.map(({loss}, epoch) => [epoch, loss]);
    const series = [
      {kind: "line", points: thin(losses)},
      {kind: "here", points: [losses[shown]]},
    ];
    const same = asInCell();
    if (same) {
      const dots = Array.from(data.losses, (loss, epoch) => [epoch, loss]);
      series.unshift({kind: "dots", points: dots.filter(([epoch]) => epoch % 50 === 0)});
    }
    const most = losses.reduce((top, [, loss]) => Math.max(top, loss), 0);
    const ticks = most > 0.85 ? [0, 1, 2, 3] : [0, 0.25, 0.5];
    const yMax = most > 0.85 ? Math.min(Math.max(most, 1), 3) : 0.75;
    chart(part("curve"), {
      series, xMax, yMin: 0, yMax, xLabel: part("curve").dataset.x,
      ticks: [...ticks.filter((tick) => tick <= yMax).map((tick) => [tick, tick]),
        [Math.LN2, "ln 2"]],
    });
    const line = part("same");
    if (!line) return;
    if (!same) line.textContent = line.dataset.other;
    else say("same", {by: decimal(difference())});
  }

  // The largest difference so far from the losses that PyTorch gave in the chapter
  function difference() {
    const epochs = Math.min(past.length, data.losses.length);
    let most = 0;
    for (let i = 0; i < epochs; i++)
      most = Math.max(most, Math.abs(data.losses[i] - past[i].loss));
    return most;
  }

  // A small number with one digit, without an exponent
  const decimal = (value) =>
    value ? value.toFixed(Math.max(0, Math.ceil(-Math.log10(value)))) : "0";

  // ---- what is said when something has stopped: to screen readers, and as a cell
  function tell() {
    const now = numbers();
    if (part("told")) announce(fill(part("told").dataset.say, now));
    const label = part("plane")?.dataset.label;
    if (label) part("plane").setAttribute("aria-label", fill(label, now));
    if (part("code")) part("code").textContent = code();
  }

  function code() {
    const {sizes, activation, lr, seed} = used;
    const name = NAMES[activation];
    const layers = sizes.slice(1).map((out, i) => `    nn.Linear(${sizes[i]}, ${out}),`);
    return [
      `torch.manual_seed(${seed})`,
      "model = nn.Sequential(",
      layers.join(name ? `\n    ${name},\n` : "\n"),
      ").to(device)",
      `optimizer = torch.optim.SGD(model.parameters(), lr=${lr})`,
      `train_and_test(model, rings, loss_fn, optimizer, epochs=${shown})`,
      "outputs, loss = test_step(model, X_train, y_train, loss_fn)",
      `loss  # ${past[shown].loss.toFixed(4)}`,
    ].join("\n");
  }

  // ---- what a reader does
  const on = (name, event, action) => part(name)?.addEventListener(event, action);
  on("run", "click", () => {
    const every = Number(part("run").dataset.every ?? LAST);
    goal = (Math.floor(shown / every) + 1) * every;
    run.toggle();
  });
  on("step", "click", () => {
    run.stop();
    advance(10);
    draw();
    tell();
  });
  on("reset", "click", () => restart());
  on("time", "input", () => {
    run.stop();
    back(Number(part("time").value));
  });
  on("time", "change", tell);
  on("next", "click", () => {
    part("seed").value = seed + 1;
    again();
  });
  on("seed", "change", () => {
    if (!isSeed()) {
      say("seed-word", {seed});
      announce(part("seed-word").textContent);
    }
    part("seed").value = seed;
    part("seed").ariaInvalid = false;
  });
  on("copy", "click", () => navigator.clipboard?.writeText(code()).then(() =>
    announce(part("copy").dataset.done)));

  const again = () => restart(run.running() ? goal : shown);
  root.addEventListener("input", ({target}) => {
    if (target === part("seed")) target.ariaInvalid = !isSeed();
    if (target === part("seed") && !isSeed()) return;
    if (target.closest("[data-restarts]")) again();
    else if (target !== part("time")) draw();
  });

  const start = {
    layers: data.hidden.length, units: data.hidden[0], lr: rates.indexOf(data.lr), seed,
  };
  for (const [name, value] of Object.entries(start))
    if (part(name)) part(name).value = value;
  const choice = root.querySelector(`input[value="${data.activation}"]`);
  if (choice) choice.checked = true;
  restart();
};
