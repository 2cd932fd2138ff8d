// With compute/convolution.js.
// Chapter 9: what each layer of TinyVGG makes of an image.
labs.show ??= {};
labs.show.network = (root, data) => {
  const {readState, tinyVgg, push, active, madeFrom} = labs.compute.network;
  const {paint, parts, fill, short, diverge, grey} = labs.page;
  const {part, say, announce} = parts(root);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const add = (parent, tag, properties) =>
    parent.appendChild(Object.assign(document.createElement(tag), properties));

  const nets = data.snapshots.map(({state}) => readState(state));
  const photo = (i) =>
    Float64Array.from(data.images.subarray(784 * i, 784 * (i + 1)), (value) => value / 255);
  const largest = (numbers) => Math.max(0, ...numbers);
  const strongest = (weights) => largest(weights.map(Math.abs));
  const scale = strongest(nets.at(-1)["block_1.0"].weight);

  let index; // of the test image, or -1
  let base, moved, image; // pixels, how far they're pushed, and the result
  let seen, tops; // all maps, and each stage's largest number
  let shown = 43; // conv 2, map 7

  const thumbs = all(".network-images input");
  const kernels = all(".network-maps label > canvas");
  const cells = all(".network-maps input");
  const canvasOf = (input) => input.parentElement.querySelector("canvas");
  const place = (cell) => [cell % 6, Math.floor(cell / 6)]; // stage and number

  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
  const signed = (text) => text.replace("-", "\u2212");

  const paintImage = (canvas, pixels) => paint(canvas, 28, 28, (at) => grey(pixels[at]));
  const paintKernel = (canvas, weights, most) =>
    paint(canvas, 3, 3, (at) => diverge(weights[at] / most));
  function paintMap(canvas, stage, number) {
    const {maps, height, width} = seen.stages[stage];
    const own = maps.subarray(number * height * width, (number + 1) * height * width);
    const top = part("stretch").checked ? largest(own) : tops[stage];
    paint(canvas, width, height, (at) => grey(own[at] / (top || 1)));
    return own;
  }

  function look() {
    const moment = part("time").value;
    const {batches, accuracy, logits} = data.snapshots[moment];
    image = push(base, ...moved);
    seen = tinyVgg(image, nets[moment]);
    tops = seen.stages.map(({maps}) => largest(maps));
    paintImage(part("pad"), image);
    const {weight} = nets[moment]["block_1.0"];
    kernels.forEach((canvas, k) => paintKernel(canvas, weight.subarray(9 * k), scale));
    drawMaps();

    const {probabilities} = seen;
    const best = probabilities.indexOf(largest(probabilities));
    const truth = data.labels[index];
    all(".network-answers li").forEach((line, k) => {
      const [name, bar, share] = line.children;
      line.className = `${k === best ? "is-best" : ""} ${k === truth ? "is-true" : ""}`;
      name.textContent = data.classes[k];
      bar.firstChild.style.width = `${100 * probabilities[k]}%`;
      share.textContent = percent(probabilities[k]);
    });
    say("answer", {name: data.classes[best], percent: percent(probabilities[best])});
    const {own, right, wrong} = part("truth").dataset;
    part("truth").textContent =
      index < 0 ? own : truth === best ? right : fill(wrong, {name: data.classes[truth]});

    say("when", {batches, percent: percent(accuracy)});
    part("time").ariaValueText = part("when").textContent;
    const by = strongest(seen.logits.map((z, k) => z - logits[10 * index + k]));
    const {yes, no} = part("same").dataset;
    part("same").textContent =
      index < 0 || moved.some(Boolean) ? no : fill(yes, {by: by.toExponential(0)});
  }

  function drawMaps() {
    cells.forEach((cell, i) => paintMap(canvasOf(cell), ...place(i)));
    drawMade();
  }

  function drawMade() {
    const [stage, number] = place(shown);
    const isFirst = stage === 0;
    const {from, kernels: own, bias} = madeFrom(nets[part("time").value], stage, number);
    cells[shown].checked = true;
    cells.forEach((cell, i) => {
      const [s, n] = place(i);
      cell.parentElement.classList.toggle("is-source", s === stage - 1 && from.includes(n));
    });

    part("from").replaceChildren();
    const most = largest(own.map(strongest));
    from.forEach((before, i) => {
      const pair = add(part("from"), "span");
      const source = add(pair, "canvas");
      if (isFirst) {
        paintImage(source, image);
        const grid = add(pair, "span", {className: "network-weights"});
        for (const weight of own[i]) {
          const [r, g, b, alpha] = diverge(weight / scale);
          const style = `background: rgba(${[r, g, b, alpha / 255]})`;
          add(grid, "span", {textContent: signed(weight.toFixed(2)), style});
        }
      } else {
        paintMap(source, stage - 1, before);
        if (most) paintKernel(add(pair, "canvas"), own[i], most);
      }
    });
    const map = paintMap(part("large"), stage, number);

    const {first, conv, pool} = part("how").dataset;
    part("made").textContent = `${cells[shown].ariaLabel}.`;
    part("how").textContent = part("from").ariaLabel =
      fill(isFirst ? first : most ? conv : pool, {bias: bias && signed(short(bias, 2))});
    say("numbers", {most: short(largest(map), 3), percent: percent(active(map))});
    part("large").ariaLabel = `${part("made").textContent} ${part("numbers").textContent}`;
  }

  const tell = () => announce(`${part("answer").textContent}, ${part("truth").textContent}`);
  function stay() {
    look();
    tell();
  }
  function take(pixels, i = -1) {
    [index, base, moved] = [i, pixels, [0, 0]];
    thumbs.forEach((input, k) => (input.checked = k === i));
  }
  function choose(i) {
    take(photo(i), i);
    stay();
  }

  thumbs.forEach((input, i) => {
    input.ariaLabel = `${data.classes[data.labels[i]]} ${(i % 2) + 1}`;
    paintImage(canvasOf(input), photo(i));
    input.addEventListener("click", () => choose(i)); // also where it's chosen already
  });
  cells.forEach((cell, i) =>
    cell.addEventListener("change", () => {
      shown = i;
      drawMade();
      announce(part("large").ariaLabel);
    }));
  for (const button of all("[data-push]"))
    button.addEventListener("click", () => {
      moved = button.dataset.push.split(" ").map((by, i) => moved[i] + Number(by));
      stay();
    });
  part("clear").addEventListener("click", () => {
    take(new Float64Array(784));
    part("draw").checked = true;
    stay();
  });
  part("time").addEventListener("input", look);
  part("time").addEventListener("change", tell);
  part("stretch").addEventListener("change", drawMaps);

  // The pen is soft and about three pixels wide, like the lines of the photos.
  let pen = null; // where it is, while it draws
  function draw({offsetX, offsetY}) {
    const to = [offsetX, offsetY].map((value) => (28 * value) / part("pad").clientWidth);
    const from = pen ?? to;
    const draws = part("draw").checked;
    for (let share = 0; share <= 1; share += 1 / 16) {
      const [x, y] = from.map((start, i) => start + (to[i] - start) * share);
      base = base.map((light, at) => {
        const away = Math.hypot((at % 28) + 0.5 - x, Math.floor(at / 28) + 0.5 - y);
        const ink = Math.min(Math.max(2.2 - away, 0), 1);
        return draws ? Math.max(light, 0.9 * ink) : Math.min(light, 1 - ink);
      });
    }
    pen = to;
    look();
  }
  const act = {
    pointerdown(event) {
      if (event.button) return;
      event.target.setPointerCapture(event.pointerId);
      take(image);
      draw(event);
    },
    pointermove: (event) => pen && draw(event),
    lostpointercapture() {
      pen = null;
      tell();
    },
  };
  for (const kind in act) part("pad").addEventListener(kind, act[kind]);

  part("time").value = part("time").max = nets.length - 1;
  for (const {batches} of data.snapshots) add(part("moments"), "span", {textContent: batches});
  choose(4); // the first test image, as in the chapter's figure
};
