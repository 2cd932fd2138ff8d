// Chapter 3: shapes that the reader types, and what PyTorch makes of them.
labs.show ??= {};
labs.show.shapes = (root) => {
  const {TORCH, compact, run, parse, unravel, place, product} = labs.compute.shapes;
  const {parts, fill} = labs.page;
  const {part, say, announce} = parts(root, () => draw());
  const MOST = 60; // numbers of a tensor that are drawn
  const FIELDS = ["a", "first", "b", "option"];
  // What PyTorch leaves unsaid, by words of its messages.
  const WHY = [
    ["dimension", /^Dimension out/], ["strides", /^view size/], ["order", /^permute/],
    ["stretch", /at non-singleton/],
  ];
  const typed = {}; // what stood in the fields, by the family of operations that share it
  const keys = (length) => [...Array(length).keys()];
  const list = (numbers) => numbers.join(", ");
  const name = (which) => "abc"[which];
  let operation, options, family, tensors, c, value, ordinal;

  const asked = () => root.querySelector("[name$=-operation]:checked");

  function choose() {
    if (family) typed[family] = FIELDS.map((field) => part(field).value);
    const {dataset} = asked();
    family = dataset.family;
    FIELDS.forEach((field, i) => {
      part(field).value = typed[family]?.[i] ?? dataset[field] ?? "";
      part(field).parentElement.hidden = !(field in dataset);
    });
    part("label").textContent = dataset.label;
    part("rule").textContent = dataset.rule;
    part("entry").value = 5;
    draw();
  }

  // The numbers of a field: null with a word below it, or undefined if it may be empty.
  function read(field, {least = 0, count, optional} = {}) {
    const input = part(field);
    const {numbers, problem} = parse(input.value, Number(least));
    const wrong = (!optional || input.value.trim()) &&
      (problem ?? (count && numbers.length !== Number(count)));
    input.setAttribute("aria-invalid", Boolean(wrong));
    part(`word-${field}`).textContent =
      wrong ? part("fields").dataset[count ? `count${count}` : problem] : "";
    return wrong ? null : numbers;
  }

  function draw() {
    operation = asked().value;
    const {b, option, count, least} = asked().dataset;
    const shapes = [read("a"), ...(b ? [read("b")] : [])];
    const order = read("first", {least: -99, optional: true});
    const given = option && read("option", {least, count, optional: operation === "squeeze"});
    const clear = ![...shapes, order, given].includes(null);
    // An unfinished text leaves the last answer in its place, but out of reach.
    part("answer").inert = !clear;
    if (!clear) return;

    options = count ? given ?? [] : [given];
    tensors = shapes.map(compact);
    const first = order && run("permute", [tensors[0]], [order]);
    if (first && !first.error) tensors[0] = first;
    c = first?.error ? first : run(operation, tensors, options);

    // Numbers count the places of memory, so that one sees which one went where.
    const [entries, more] = shapes.map(product);
    const joins = b && option;
    const factor = operation === "+" ? 100 : 1;
    value = ([which, at]) => place(at, tensors[which].stride) * (which ? factor : 1) +
      (which && joins ? entries : 0);
    ordinal = ([which, at]) => place(at, compact(tensors[which].shape).stride);
    const make = (shape, range) => `torch.arange(${range})` +
      (shape.length === 1 ? "" : `.reshape(${list(shape) || "()"})`);
    part("code").textContent = [
      `a = ${make(shapes[0], entries)}${order ? `.permute(${list(order) || "()"})` : ""}`,
      b && `b = ${factor > 1 ? "100 * " : ""}` +
        make(shapes[1], joins ? `${entries}, ${entries + more}` : more),
      joins ? `c = torch.${operation}([a, b], dim=${given})`
        : b ? `c = a ${operation} b`
        : `c = a.${operation}(${given && (list(given) || "()") || ""})`,
    ].filter(Boolean).join("\n");

    part("error").hidden = !c.error;
    part("facts").hidden = Boolean(c.error);
    say("version", {version: TORCH});
    part("first").placeholder = shapes[0].length > 1
      ? fill(part("first").dataset.hint, {order: list(keys(shapes[0].length).reverse())}) : "";
    if (c.error) {
      const {name: kind, message} = c.error;
      part("message").textContent = `${kind}: ${message}`;
      const [why] = WHY.find(([, words]) => words.test(message)) ?? [];
      part("why").textContent = part("why").dataset[why] ?? "";
    } else {
      part("shape").textContent = `torch.Size([${list(c.shape)}])`;
      part("stride").textContent = `(${list(c.stride)}${c.stride.length === 1 ? "," : ""})`;
      part("contiguous").textContent = c.contiguous ? "True" : "False";
      part("kind").textContent = part("kind").dataset[c.view ? "view" : "copy"];
    }
    drawTable();
    drawEntries();
    announce(part(c.error ? "message" : "shape").textContent);
  }

  // Which dimension of each tensor stands in which column.
  function columns() {
    const all = c.error ? tensors : [...tensors, c];
    const [one, other] = all.map(({shape}) => shape.length);
    if (["+", "@", "expand"].includes(operation)) {
      const [row, column] = [one > 1, other > 1];
      const ends = [[row, one, 0], [0, other, column], [row, 0, column]];
      const lines = all.map(({shape}, i) => {
        const left = keys(shape.length);
        const right = operation === "@" ? ends[i].map((_, j) => ends[i][2 - j] ? left.pop() : undefined) : [];
        return [left, right.reverse()];
      });
      const width = Math.max(...lines.map(([left]) => left.length));
      return lines.map(([left, right]) => [...Array(width - left.length), ...left, ...right]);
    }
    const lines = all.map(({shape}) => keys(shape.length));
    if (c.error || !["stack", "squeeze", "unsqueeze"].includes(operation)) return lines;
    // The index of an entry of c, with its dimensions' numbers in it, says where they go.
    const from = c.from(lines.at(-1).map((d) => d + 1))[0][1];
    if (operation === "squeeze") return [lines[0], from.map((d) => (d ? d - 1 : undefined))];
    const into = lines.at(-1).map((d) => (from.includes(d + 1) ? from.indexOf(d + 1) : undefined));
    return lines.map((line, i) => (i < tensors.length ? into : line));
  }

  function drawTable() {
    const lines = columns();
    const last = tensors.length; // the line of c
    const width = Math.max(...lines.map(({length}) => length));
    const dims = tensors[0].shape.length;
    const joint = operation === "cat" && (options[0] + dims) % dims;
    const cell = (i, j) => {
      const [size, target, one, other] = [i, last, 0, last - 1].map((k) =>
        [...tensors, c][k].shape?.[lines[k]?.[j]]);
      const stretches = ["+", "expand"].includes(operation) || (operation === "@" && j < width - 3);
      const inserted = i === last && one === undefined && other === undefined;
      let [kind, text] = ["size", size ?? ""];
      if (c.error) {
        const differ = one !== undefined && other !== undefined && one !== other;
        if (differ && j !== joint && !(stretches && (one === 1 || other === 1))) kind = "clash";
      } else if (i < last && stretches && size !== target) {
        [kind, text] = ["stretched", `${text} → ${target}`];
      } else if (target === undefined) kind = "gone";
      else if (i === last && (inserted || j === joint)) kind = "new";
      const stride = [...tensors, c][i].stride[lines[i][j]] ?? "";
      return `<td class="is-${text === "" ? "none" : kind}">${text}<small>${stride}</small></td>`;
    };
    part("table").innerHTML = lines.map((_, i) =>
      `<tr><th scope="row">${name(i === last ? 2 : i)}</th>${
        keys(width).map((j) => cell(i, j)).join("")}</tr>`).join("");
  }

  // Draws numbers; `entry` gives [its number in the tensor, text, whose colour, how much].
  function drawNumbers(label, shape, entry) {
    const target = part(`cells-${label}`);
    const count = product(shape);
    const {many, none} = part("figures").dataset;
    const fits = count > 0 && count <= MOST;
    const texts = {};
    const cell = (at) => {
      const [own, text, which, share] = entry(at);
      const ghost = own in texts ? " is-ghost" : "";
      texts[own] = text;
      return `<i data-n="${own}" class="from-${which}${ghost}" style="--share:${share}%">${text}</i>`;
    };
    const nest = (at) => {
      const rest = shape.slice(at.length);
      return rest.length > 2
        ? `<div class="shapes-stack">${keys(rest[0]).map((i) => nest([...at, i])).join("")}</div>`
        : `<div class="shapes-grid" style="--columns:${rest.at(-1) ?? 1}">${
          keys(product(rest)).map((i) => cell([...at, ...unravel(i, rest)])).join("")}</div>`;
    };
    target.innerHTML = fits ? nest([])
      : `<div class="shapes-outline">${shape.join(" × ")}<br>${count ? many : none}</div>`;
    target.ariaLabel = `${label} (${list(shape)}): ${
      fits ? Object.values(texts).join(" ") : count ? many : none}`;
    target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
    return fits;
  }

  function entryOf(origins) {
    const numbers = origins.map(value);
    return operation === "@"
      ? numbers.reduce((sum, x, i) => (i % 2 ? sum : sum + x * numbers[i + 1]), 0)
      : numbers.reduce((x, y) => x + y);
  }

  function drawEntries() {
    const [alone, entries] = [tensors.length === 1, product(tensors[0].shape)];
    const tint = (which, number) =>
      [which, alone ? 6 + (40 * number) / Math.max(entries - 1, 1) : 28];
    const full = c.error ? 0 : product(c.shape);
    const sums = operation === "+" || operation === "@";
    // What is stretched is drawn as large as the result.
    const stretched = operation === "+" && full > 0 && full <= MOST;
    tensors.forEach(({shape}, which) =>
      drawNumbers(name(which), stretched ? c.shape : shape, (at) => {
        const origin = stretched ? c.from(at)[which] : [which, at];
        return [ordinal(origin), value(origin), ...tint(which, value(origin))];
      }));
    part("cells-b").parentElement.hidden = alone;
    part("cells-c").parentElement.hidden = Boolean(c.error);
    const rows = !c.error && compact(c.shape).stride;
    const fromA = (at, label = place(at, rows)) => {
      const origins = c.from(at);
      const number = entryOf(origins);
      return [label, number, ...tint(sums ? 2 : origins[0][0], number)];
    };
    const fits = rows && drawNumbers("c", c.shape, (at) => fromA(at));
    part("trace").hidden = !fits;
    part("memories").hidden = !alone;
    if (!fits) return;
    if (alone) {
      drawNumbers("memory", [entries], ([n]) => [n, n, ...tint(0, n)]);
      part("cells-own").parentElement.hidden = c.view;
      if (!c.view) drawNumbers("own", [full], ([n]) => fromA(unravel(n, c.shape), n));
    }
    part("entry").max = full - 1;
    follow();
  }

  function follow() {
    if (part("trace").hidden) return;
    const position = Number(part("entry").value);
    const at = unravel(position, c.shape);
    const origins = c.from(at);
    const there = place(at, c.stride);
    root.querySelectorAll(".is-here").forEach(({classList}) => classList.remove("is-here"));
    const light = (label, n) => part(`cells-${label}`).querySelectorAll(`[data-n="${n}"]`)
      .forEach(({classList}) => classList.add("is-here"));
    light("c", position);
    origins.forEach((origin) => light(name(origin[0]), ordinal(origin)));
    if (tensors.length === 1) light("memory", value(origins[0]));
    light("own", there);

    const index = (which, at) => name(which) + (at.length ? `[${list(at)}]` : "");
    const numbers = origins.map(value);
    const products = numbers.flatMap((x, i) => (i % 2 ? [] : `${x} · ${numbers[i + 1]}`));
    const names = origins.map((origin) => index(...origin)).join(" + ");
    part("origin").textContent = [
      index(2, at),
      ...(operation === "@" ? [products.join(" + ") || 0]
        : operation === "+" ? [names, numbers.join(" + ")] : [names]),
      entryOf(origins),
    ].join(" = ");
    part("entry").ariaValueText = part("origin").textContent;
    const steps = at.map((i, d) => `${i} · ${c.stride[d]}`).join(" + ");
    say("place", {sum: steps ? `${steps} = ${there}` : there});
  }

  root.addEventListener("input", ({target}) =>
    target.type === "radio" ? choose() : target === part("entry") ? follow() : draw());
  part("cells-c").addEventListener("pointerover", ({target}) => {
    if (!target.dataset.n) return;
    part("entry").value = target.dataset.n;
    follow();
  });
  choose();
};
