// Chapter 14: learning rate and momentum at each step, and a small training that uses them.
globalThis.labs ??= {};
labs.compute ??= {};

labs.compute.schedule = (() => {
  const {PI, cos, fround, log, exp} = Math;
  const GROUPS = 3; // layer 1, layer 2, head

  // ---- fastai, which computes the place within a piece in float32
  const schedCos = (start, end, at) => start + ((1 + cos(PI * (1 - at))) * (end - start)) / 2;

  function combinedCos(share, start, middle, end) {
    const border = fround(share);
    const whole = fround(border + fround(1 - share));
    return (time) => {
      const at = fround(time);
      if (at < border) return schedCos(start, middle, fround(at / border));
      return schedCos(middle, end, fround(fround(at - border) / fround(whole - border)));
    };
  }

  // How much of a fit is over before each of its steps, added up as the Learner does.
  function times(epochs, batches) {
    return Array.from({length: epochs}, (_, epoch) => {
      let time = epoch / epochs;
      return Array.from({length: batches}, () => {
        const before = time;
        time += 1 / (batches * epochs);
        return before;
      });
    }).flat();
  }

  // What Optimizer.set_hyper makes of slice(stop) and of slice(start, stop).
  const lastGroup = (stop) => [...Array(GROUPS - 1).fill(stop / 10), stop];
  function evenMults(start, stop) {
    const by = (stop / start) ** (1 / (GROUPS - 1));
    return Array.from({length: GROUPS}, (_, i) => start * by ** i);
  }

  function oneCycle(peaks, {epochs, batches, pctStart, div, divFinal, moms}) {
    const at = times(epochs, batches);
    return {
      lrs: peaks.map((peak) => at.map(combinedCos(pctStart, peak / div, peak, peak / divFinal))),
      moms: at.map(combinedCos(pctStart, ...moms)),
    };
  }

  // ---- torch.optim.lr_scheduler, with scheduler.step() after every batch
  const rule = {
    constant: ({lr}) => () => lr,
    StepLR: ({stepSize, gamma}) => (last, step) => step % stepSize ? last : last * gamma,
    // Each rate from the one before: PyTorch does it so, and goes on after T_max.
    CosineAnnealingLR: ({lr, tMax, etaMin}) => (last, step) =>
      (step - 1 - tMax) % (2 * tMax) === 0
        ? last + ((lr - etaMin) * (1 - cos(PI / tMax))) / 2
        : ((1 + cos((PI * step) / tMax)) / (1 + cos((PI * (step - 1)) / tMax))) *
          (last - etaMin) + etaMin,
  };

  function stepwise(kind, {epochs, batches, mom, ...settings}) {
    const next = rule[kind](settings);
    const lrs = [settings.lr];
    while (lrs.length < epochs * batches) lrs.push(next(lrs.at(-1), lrs.length));
    return {lrs: [lrs, lrs, lrs], moms: lrs.map(() => mom)};
  }

  const annealCos = (start, end, at) => end + ((start - end) / 2) * (cos(PI * at) + 1);

  function torchCycle({lr, epochs, batches, pctStart, div, divFinal, moms: [high, low]}) {
    const steps = epochs * batches;
    const top = pctStart * steps - 1;
    const along = (start, middle, end) =>
      Array.from({length: steps}, (_, step) =>
        step <= top
          ? annealCos(start, middle, step / top)
          : annealCos(middle, end, (step - top) / (steps - 1 - top)));
    const lrs = along(lr / div, lr, lr / div / divFinal);
    return {lrs: [lrs, lrs, lrs], moms: along(high, low, high)};
  }

  // Rates of each group and the momentum, one per step. In the first `frozen` steps only
  // the head is trained; the optimizer forgets its velocity when they are over.
  function plan(kind, settings) {
    const {lr, epochs, batches, freezeEpochs, lrMult} = settings;
    if (kind === "fit_one_cycle") return oneCycle(Array(GROUPS).fill(lr), settings);
    if (kind === "OneCycleLR") return torchCycle(settings);
    if (kind !== "fine_tune") return stepwise(kind, settings);
    const head = oneCycle(lastGroup(lr), {
      ...settings, epochs: freezeEpochs, pctStart: 0.99, div: 25,
    });
    const all = oneCycle(evenMults(lr / 2 / lrMult, lr / 2), {
      ...settings, epochs: epochs - freezeEpochs,
    });
    return {
      lrs: head.lrs.map((lrs, group) => [...lrs, ...all.lrs[group]]),
      moms: [...head.moms, ...all.moms],
      frozen: freezeEpochs * batches,
    };
  }

  // ---- three nn.Linear with ReLU between them, cross-entropy, SGD with momentum. Weights
  // lie by input, and products with 0, about half of them, are left out: it is the speed
  // at which a slider moves.
  function forward(layers, x, n) {
    let below = x;
    return layers.map(({weight, bias, inputs, outputs}, at) => {
      const out = new Float64Array(n * outputs);
      for (let p = 0; p < n; p++) {
        const row = p * outputs;
        for (let o = 0; o < outputs; o++) out[row + o] = bias[o];
        for (let i = 0; i < inputs; i++) {
          const value = below[p * inputs + i];
          if (value === 0) continue;
          for (let o = 0, w = i * outputs; o < outputs; o++) out[row + o] += weight[w + o] * value;
        }
        if (at === layers.length - 1) continue;
        for (let o = 0; o < outputs; o++) if (out[row + o] < 0) out[row + o] = 0;
      }
      return (below = out);
    });
  }

  // Mean cross-entropy, the share of right answers, and the gradient at the logits.
  function crossEntropy(logits, labels) {
    const n = labels.length;
    const classes = logits.length / n;
    const error = new Float64Array(logits.length);
    let loss = 0;
    let right = 0;
    for (let p = 0; p < n; p++) {
      const row = p * classes;
      let top = row;
      for (let at = row; at < row + classes; at++) if (logits[at] > logits[top]) top = at;
      let sum = 0;
      for (let at = row; at < row + classes; at++)
        sum += error[at] = exp(logits[at] - logits[top]);
      for (let at = row; at < row + classes; at++) error[at] /= sum * n;
      const truth = row + labels[p];
      error[truth] -= 1 / n;
      loss += logits[top] + log(sum) - logits[truth];
      right += truth === top;
    }
    return {loss: loss / n, right: right / n, error};
  }

  // The gradients of all layers from the number `from` on.
  function backward(layers, x, values, error, n, from) {
    const gradients = [];
    for (let at = layers.length - 1; at >= from; at--) {
      const {weight, inputs, outputs} = layers[at];
      const below = at ? values[at - 1] : x;
      const dWeight = new Float64Array(weight.length);
      const dBias = new Float64Array(outputs);
      const dBelow = new Float64Array(at ? n * inputs : 0);
      for (let p = 0; p < n; p++) {
        const row = p * outputs;
        for (let o = 0; o < outputs; o++) dBias[o] += error[row + o];
        for (let i = 0; i < inputs; i++) {
          const value = below[p * inputs + i];
          if (value === 0) continue;
          const w = i * outputs;
          for (let o = 0; o < outputs; o++) dWeight[w + o] += error[row + o] * value;
          if (at === 0) continue;
          let slope = 0;
          for (let o = 0; o < outputs; o++) slope += error[row + o] * weight[w + o];
          dBelow[p * inputs + i] = slope;
        }
      }
      gradients[at] = [dWeight, dBias];
      error = dBelow;
    }
    return gradients;
  }

  // Validation loss before each step and after the last one, loss of each batch, share of
  // right answers at the end.
  function train({layers, x, labels, validX, validLabels, order, size}, {lrs, moms, frozen}) {
    const pixels = x.length / labels.length;
    const model = layers.map(({weight, bias}) => {
      const outputs = bias.length;
      const inputs = weight.length / outputs;
      const byInput = Float64Array.from(weight, (_, at) =>
        weight[(at % outputs) * inputs + Math.floor(at / outputs)]);
      return {weight: byInput, bias: Float64Array.from(bias), inputs, outputs};
    });
    let velocity = [];
    const judge = () =>
      crossEntropy(forward(model, validX, validLabels.length).at(-1), validLabels);
    const valid = [];
    const losses = moms.map((mom, step) => {
      valid.push(judge().loss);
      const batch = new Float64Array(size * pixels);
      const target = new Uint8Array(size);
      for (let p = 0; p < size; p++) {
        const from = order[step * size + p];
        batch.set(x.subarray(from * pixels, (from + 1) * pixels), p * pixels);
        target[p] = labels[from];
      }
      const values = forward(model, batch, size);
      const {loss, error} = crossEntropy(values.at(-1), target);
      const first = step < frozen ? model.length - 1 : 0;
      if (step === frozen) velocity = [];
      backward(model, batch, values, error, size, first).forEach((gradient, at) => {
        velocity[at] ??= gradient.map((part) => new Float64Array(part.length));
        [model[at].weight, model[at].bias].forEach((numbers, which) => {
          const [speed, slope] = [velocity[at][which], gradient[which]];
          for (let i = 0; i < numbers.length; i++) {
            speed[i] = mom * speed[i] + slope[i];
            numbers[i] -= lrs[at][step] * speed[i];
          }
        });
      });
      return loss;
    });
    const {loss, right} = judge();
    return {valid: [...valid, loss], losses, right, model};
  }

  return {plan, train};
})();
