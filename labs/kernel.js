// With compute/convolution.js.
// Chapter 9: a window slides over an image, and its sums become the output of F.conv2d.
labs.show ??= {};
labs.show.kernel = (root, data) => {
  const {conv2d, outputSize} = labs.compute.convolution;
  const {reach, formula, terms, middle, nearest, pace, code} = labs.compute.kernel;
  const {fill, parts, runner, colour, pencil, paint, diverge, grey, short} = labs.page;
  const {part, say, chosen, announce} = parts(root, () => draw());
  const number = (value) => String(Number(value.toFixed(4))).replace("-", "−");
  const hundredths = (value) => Math.round(100 * value) / 100;

  const side = data.images.shape[1];
  const images = {toy: {side: data.toy.shape[0], pixels: data.toy, source: "toy[None]"}};
  data.picked.forEach((index, i) => {
    const own = data.images.subarray(i * side * side, (i + 1) * side * side);
    images[i] = {
      side,
      pixels: Float64Array.from(own, (value) => value / 100),
      source: `(100 * train_data[${index}][0]).round() / 100`,
    };
    const choice = part("images").querySelector(`[value="${i}"]`);
    choice.nextElementSibling.textContent = data.names[i];
  });

  let image, settings;
  let weights = [];
  let out = null; // the whole output, or null where not one window fits
  let at = 0; // which window
  let shown = 0; // how many numbers of the output are to be seen

  const count = () => (out ? out.maps.length : 0);
  const place = () => [Math.floor(at / out.width), at % out.width];

  // ---- what a reader sets
  const cells = [...root.querySelectorAll("td")].map((cell, i) => {
    const [pixel, {lastElementChild: weight}, product] = cell.children;
    weight.ariaLabel = fill(part("products").dataset.weight,
      {row: Math.floor(i / 3) + 1, column: (i % 3) + 1});
    weight.addEventListener("input", () => {
      if (!weight.validity.valid) return;
      weights[i] = weight.valueAsNumber;
      const kernel = root.querySelector("[name$='-kernel']:checked");
      if (kernel) kernel.checked = false;
      compute();
    });
    return {cell, pixel, weight, product};
  });

  function takeKernel() {
    const own = data.kernels[chosen("kernel")];
    weights = cells.map((_, i) => hundredths(own ? own[i] : 2 * Math.random() - 1));
    cells.forEach(({weight}, i) => (weight.value = weights[i]));
    compute();
  }

  // All of the output at once; the window stays where it is in the image.
  function compute() {
    const before = out && place().map((p) => middle(p, settings) / image.side);
    image = images[chosen("image")];
    settings = Object.fromEntries(["stride", "padding", "dilation"]
      .map((name) => [name, Number(chosen(name))]));
    const places = outputSize(image.side, 3, settings);
    out = places < 1 ? null : conv2d(image.pixels, {height: image.side, width: image.side},
      {weight: weights, outputs: 1, kernel: 3}, settings);
    if (out && before) {
      const [row, column] = before.map((share) =>
        nearest(share * image.side, places, settings));
      at = row * places + column;
    }
    shown = count();
    run.stop();
    draw();
    tell();
  }

  // ---- the window moves
  function go(to) {
    at = to;
    shown = Math.max(shown, at + 1);
    draw();
  }

  let seconds, from, last;
  const run = runner(root, {
    frame() {
      const now = performance.now();
      seconds += Math.min(now - last, 500) / 1000;
      last = now;
      go(Math.min(from + pace(seconds), count() - 1));
      return at < count() - 1;
    },
    change(on) {
      part("play").textContent = part("play").dataset[on ? "pause" : "go"];
      if (!on) return tell();
      // Once more from the start where nothing is left to do
      if (shown === count()) at = 0;
      shown = at + 1;
      [seconds, from, last] = [0, at, performance.now()];
      draw();
    },
  });

  function halt(act) {
    if (!out) return;
    run.stop();
    act();
    tell();
  }

  // ---- drawing
  // Numbers as squares of `cell` pixels, written out where they fit; the first `some`
  function drawGrid(pen, {values, side, left, cell, some, toColour}) {
    const small = document.createElement("canvas");
    paint(small, side, side, (i) => (i < some ? toColour(values[i]) : [0, 0, 0, 0]));
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, left, left, side * cell, side * cell);
    Object.assign(pen, {textAlign: "center", textBaseline: "middle"});
    pen.font = `${Math.min(cell / 2.4, 13)}px sans-serif`;
    for (let i = 0; i < side * side; i++) {
      const [x, y] = [left + ((i % side) + 0.5) * cell, left + (Math.floor(i / side) + 0.5) * cell];
      if (i >= some) {
        pen.fillStyle = colour(root, "--lab-muted");
        pen.fillRect(x - 0.5, y - 0.5, 1, 1);
      } else if (cell > 15) {
        const [red, green, , alpha] = toColour(values[i]);
        pen.fillStyle = alpha < 128 ? colour(root, "--lab-ink")
          : red + green > 250 ? "#000" : "#fff";
        pen.fillText(number(hundredths(values[i])), x, y, 0.9 * cell);
      }
    }
  }

  // Orange, and white around it to be seen on every grey
  function outline(pen, x, y, width) {
    const line = width < 12 ? 1.5 : 2.5;
    for (const [lineWidth, strokeStyle] of [[line + 2, "#fff"], [line, "#d55e00"]]) {
      Object.assign(pen, {lineWidth, strokeStyle});
      pen.strokeRect(x, y, width, width);
    }
  }

  function drawInput(window) {
    const {side, pixels} = image;
    const {padding, dilation} = settings;
    const {pen, width} = pencil(part("input"));
    const padded = side + 2 * padding;
    const cell = width / padded;
    const values = Array(padded ** 2).fill(0);
    pixels.forEach((value, i) => {
      values[(Math.floor(i / side) + padding) * padded + (i % side) + padding] = value;
    });
    drawGrid(pen, {values, side: padded, left: 0, cell, some: Infinity, toColour: grey});
    if (padding) {
      Object.assign(pen, {strokeStyle: "#aaa", lineWidth: 1});
      pen.setLineDash([3, 3]);
      pen.strokeRect(padding * cell, padding * cell, side * cell, side * cell);
      pen.setLineDash([]);
    }
    const apart = dilation > 1;
    for (const {y, x} of apart ? window : window.slice(0, 1))
      outline(pen, (x + padding) * cell, (y + padding) * cell, (apart ? 1 : 3) * cell);
  }

  // As large as in the input, so that a stride of 2 is seen to halve it
  function outputGrid() {
    const total = part("output").clientWidth;
    const cell = total / (image.side + 2 * settings.padding);
    return {side: out.width, cell, left: (total - out.width * cell) / 2};
  }

  function drawOutput() {
    const {pen} = pencil(part("output"));
    part("scale").hidden = !out;
    if (!out) return;
    const values = out.maps;
    const most = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0) || 1;
    const isGrey = values.every((value) => value > -1e-9);
    const toColour = (value) => (isGrey ? grey : diverge)(value / most);
    const grid = outputGrid();
    const {side, cell, left} = grid;
    drawGrid(pen, {...grid, values, some: shown, toColour});
    Object.assign(pen, {strokeStyle: colour(root, "--lab-line"), lineWidth: 1});
    pen.strokeRect(left, left, side * cell, side * cell);
    const [row, column] = place();
    outline(pen, left + column * cell, left + row * cell, cell);
    const [low, , high] = part("scale").children;
    part("scale").classList.toggle("is-grey", isGrey);
    const ends = short(most, 3);
    low.textContent = isGrey ? 0 : `−${ends}`;
    high.textContent = ends;
  }

  function drawProducts(window) {
    const most = Math.max(...window.map(({product}) => Math.abs(product))) || 1;
    cells.forEach(({cell, pixel, product}, i) => {
      const term = window[i];
      const [red, green, blue, alpha] = diverge((0.35 * (term?.product ?? 0)) / most);
      cell.style.background = `rgb(${red} ${green} ${blue} / ${alpha / 255})`;
      pixel.textContent = term ? number(term.pixel) : "–";
      const light = term?.pixel ?? 0;
      pixel.style.background = `rgb(${grey(light).slice(0, 3)})`;
      pixel.style.color = light > 0.459 ? "#000" : "#fff";
      product.textContent = term ? number(term.product) : "";
    });
  }

  function state() {
    const [low, high] = out ? [Math.min(...out.maps), Math.max(...out.maps)] : [0, 0];
    return {
      ...settings,
      window: out ? at + 1 : 0,
      count: count(),
      side: image.side,
      padded: image.side + 2 * settings.padding,
      formula: formula(image.side, settings),
      reach: reach(settings),
      weights: number(weights.reduce((sum, weight) => sum + weight)),
      size: out ? out.width : 0,
      low: number(low),
      high: number(high),
      sum: out ? number(out.maps[at]) : "–",
    };
  }

  function draw() {
    const now = state();
    const window = out
      ? terms(image.pixels, {height: image.side, width: image.side}, weights, settings, ...place())
      : [];
    drawInput(window);
    drawProducts(window);
    drawOutput();
    for (const name of ["where", "total", "weights", "input-size", "output-size", "gaps"])
      say(name, now);
    part("gaps").hidden = settings.dilation === 1;
    if (!out) part("output-size").textContent = part("output-size").dataset.none;
    for (const name of ["play", "step", "all", "at"]) part(name).disabled = !out;
    Object.assign(part("at"), {max: Math.max(count() - 1, 0), value: at});
    part("formula").textContent = fill(part("formula").dataset[out ? "say" : "none"], now);
    part("code").textContent = code(image.source, weights, settings);
    part("output").ariaLabel = fill(part("output").dataset.say, now);
  }

  const tell = () => announce(out
    ? fill(part("told").dataset.say, state()) : part("formula").textContent);

  // ---- what a reader does
  part("play").addEventListener("click", run.toggle);
  part("step").addEventListener("click", () => halt(() => go((at + 1) % count())));
  part("all").addEventListener("click", () => halt(() => {
    shown = count();
    draw();
  }));
  part("at").addEventListener("input", () => {
    run.stop();
    go(Number(part("at").value));
  });
  part("at").addEventListener("change", tell);
  // A press on "random" draws again, also where it is chosen already.
  part("kernels").addEventListener("click", ({target}) => {
    if (target.value === "random") takeKernel();
  });
  root.addEventListener("change", ({target}) => {
    if (target.type !== "radio" || target.value === "random") return;
    if (target.name.endsWith("-kernel")) takeKernel();
    else compute();
  });

  // Press on a number of the output, or on a pixel: the window goes there.
  const pointed = {
    output({x, y}) {
      const {side, cell, left} = outputGrid();
      return [y, x].map((far) => Math.min(Math.max(Math.floor((far - left) / cell), 0), side - 1));
    },
    input({x, y, width}) {
      const padded = image.side + 2 * settings.padding;
      return [y, x].map((far) => nearest(
        Math.floor((far / width) * padded) - settings.padding, out.width, settings));
    },
  };
  for (const [name, find] of Object.entries(pointed)) {
    const canvas = part(name);
    const point = ({offsetX: x, offsetY: y}) => {
      const [row, column] = find({x, y, width: canvas.clientWidth});
      halt(() => go(row * out.width + column));
    };
    canvas.addEventListener("pointerdown", (event) => out && point(event));
    canvas.addEventListener("pointermove", (event) => out && event.buttons === 1 && point(event));
  }

  // Opens in the middle of a run.
  takeKernel();
  at = Math.floor(0.55 * count());
  shown = at + 1;
  draw();
  part("told").textContent = "";
};
