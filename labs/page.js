// What all labs share: numbers from a notebook, the parts of a lab, drawing.
globalThis.labs ??= {};

// ---- tensors as `pack` of helpers/labs.py writes them
labs.unpack = (() => {
  const KINDS = {
    float32: Float32Array,
    float16: Uint16Array,
    uint8: Uint8Array,
    int8: Int8Array,
    int16: Int16Array,
    int32: Int32Array,
  };

  function half(bits) {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  return function unpack(data) {
    if (Array.isArray(data)) return data.map(unpack);
    if (data === null || typeof data !== "object") return data;
    if (!("base64" in data))
      return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, unpack(value)]));
    const bytes = Uint8Array.from(atob(data.base64), (letter) => letter.charCodeAt(0));
    const stored = new KINDS[data.dtype](bytes.buffer);
    const numbers = data.dtype === "float16" ? Float32Array.from(stored, half) : stored;
    return Object.assign(numbers, {shape: data.shape});
  };
})();

labs.start = (root, data) => labs.show[root.dataset.lab](root, labs.unpack(data));

labs.page = (() => {
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  // A number with at most so many digits, without trailing zeros.
  const short = (value, digits = 4) => String(Number(Number(value).toPrecision(digits)));

  // Finds the parts of a lab, says what happens, and repaints when the ground changes.
  function parts(root, repaint = () => {}) {
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const say = (name, values) => {
      const target = part(name);
      if (target) target.textContent = fill(target.dataset.say, values);
    };
    const chosen = (name) => root.querySelector(`input[name$="-${name}"]:checked`)?.value;
    // What a screen reader says: when something stops, never while it runs.
    const announce = (text) => (part("told").textContent = text);
    const again = () => root.isConnected && repaint();
    new MutationObserver(again).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    let width = root.clientWidth;
    new ResizeObserver(() => {
      if (root.clientWidth === width) return;
      width = root.clientWidth;
      again();
    }).observe(root);
    return {part, say, chosen, announce};
  }

  // One frame at a time while it is wanted, seen and not finished; with reduced motion
  // few of them, in which much happens.
  function runner(root, {frame, change}) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    let wanted = false;
    let seen = true;
    let waiting = false;
    new IntersectionObserver(([{isIntersecting}]) => {
      seen = isIntersecting;
      wait();
    }).observe(root);
    function turn() {
      waiting = false;
      if (!wanted || !seen) return;
      if (frame(calm.matches ? 400 : 12) === false) set(false);
      wait();
    }
    function wait() {
      if (!wanted || !seen || waiting) return;
      waiting = true;
      if (calm.matches) setTimeout(turn, 400);
      else requestAnimationFrame(turn);
    }
    function set(on) {
      if (on === wanted) return;
      wanted = on;
      change(on);
      wait();
    }
    return {
      start: () => set(true),
      stop: () => set(false),
      toggle: () => set(!wanted),
      running: () => wanted,
    };
  }

  const colour = (root, name) => getComputedStyle(root).getPropertyValue(name).trim();

  // A canvas as sharp as the screen, with coordinates in CSS pixels.
  function pencil(canvas) {
    const {clientWidth: width, clientHeight: height} = canvas;
    const scale = devicePixelRatio;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    return {pen, width, height};
  }

  // A grid of numbers as pixels, which the style scales up.
  function paint(canvas, width, height, toColour) {
    Object.assign(canvas, {width, height});
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(width, height);
    for (let at = 0; at < width * height; at++) image.data.set(toColour(at), 4 * at);
    pen.putImageData(image, 0, 0);
  }

  // Colours of numbers: from -1 to 1, and from 0 to 1.
  const diverge = (value) => [
    ...(value > 0 ? [213, 94, 0] : [0, 114, 178]),
    Math.round(235 * Math.min(Math.abs(value), 1)),
  ];
  const grey = (value) => {
    const light = Math.round(255 * Math.min(Math.max(value, 0), 1));
    return [light, light, light, 255];
  };

  // Where the numbers of a square grid cross 0, as pieces of lines in units of the grid.
  function contour(grid, side, draw) {
    const cross = (a, b) => a / (a - b);
    for (let y = 0; y < side - 1; y++) {
      for (let x = 0; x < side - 1; x++) {
        const at = y * side + x;
        const [a, b, c, d] = [grid[at], grid[at + 1], grid[at + side], grid[at + side + 1]];
        const ends = [];
        if (a > 0 !== b > 0) ends.push([x + cross(a, b), y]);
        if (a > 0 !== c > 0) ends.push([x, y + cross(a, c)]);
        if (b > 0 !== d > 0) ends.push([x + 1, y + cross(b, d)]);
        if (c > 0 !== d > 0) ends.push([x + cross(c, d), y + 1]);
        for (let i = 0; i + 1 < ends.length; i += 2) draw(ends[i], ends[i + 1]);
      }
    }
  }

  // At most `count` of many points, the last one among them.
  function thin(points, count = 300) {
    const every = Math.ceil(points.length / count);
    return points.filter((_, i) => i % every === 0 || i === points.length - 1);
  }

  // A small chart of lines as SVG. Kinds of series: line, second, third, dots (what
  // PyTorch gave) and here (one point). Ticks are [value, text]; marks are upright lines.
  function chart(svg, {
    series, xMin = 0, xMax, yMin, yMax, ticks, xTicks, xLabel = "", log = false, marks = [],
  }) {
    const [width, height, left, right, top, bottom] = [340, 190, 44, 12, 10, 32];
    const lift = log ? Math.log10 : (value) => value;
    const [low, high] = [lift(yMin), lift(yMax)];
    const X = (x) => left + ((width - left - right) * (x - xMin)) / (xMax - xMin);
    const Y = (y) => {
      const share = (lift(y) - low) / (high - low);
      return top + (height - top - bottom) * (1 - Math.min(Math.max(share, -0.02), 1.02));
    };
    const at = ([x, y]) => [X(x).toFixed(1), Y(y).toFixed(1)];
    const isThere = ([x, y]) => Number.isFinite(X(x)) && Number.isFinite(Y(y));
    const along = xTicks ??
      [0, 0.5, 1].map((share) => {
        const value = xMin + share * (xMax - xMin);
        return [value, Number(value.toPrecision(3)).toLocaleString()];
      });
    const draw = {
      dots: (points) => points.map((point) => {
        const [x, y] = at(point);
        return `<circle class="dots" r="3" cx="${x}" cy="${y}"/>`;
      }).join(""),
      here: (points) => points.map((point) => {
        const [x, y] = at(point);
        return `<circle class="here" r="5" cx="${x}" cy="${y}"/>`;
      }).join(""),
    };
    const text = (x, y, anchor, words) =>
      `<text x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.innerHTML = [
      ...ticks.map(([y, words]) =>
        `<line class="grid" x1="${left}" x2="${width - right}" y1="${Y(y)}" y2="${Y(y)}"/>` +
        text(left - 6, Y(y) + 4, "end", words)),
      ...along.map(([x, words], i) => text(X(x), height - bottom + 15,
        i === along.length - 1 && X(x) > width - 40 ? "end" : "middle", words)),
      text((left + width - right) / 2, height - 3, "middle", xLabel),
      ...marks.map((x) =>
        `<line class="mark" x1="${X(x)}" x2="${X(x)}" y1="${top}" y2="${height - bottom}"/>`),
      ...series.map(({points, kind}) => {
        const there = points.filter(isThere);
        return draw[kind]?.(there) ?? `<polyline class="${kind}" points="${there
          .map((point) => at(point).join()).join(" ")}"/>`;
      }),
    ].join("");
  }

  return {
    fill, short, parts, runner, colour, pencil, paint, diverge, grey, contour, thin, chart,
  };
})();
