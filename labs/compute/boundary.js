// The networks of chapter 6: made by `nn.Linear` after `torch.manual_seed`, trained on all
// points at once by `torch.optim.SGD`.
//
// tests/labs/test_boundary.py compares every number with PyTorch.
globalThis.labs ??= {};
labs.compute ??= {};

labs.compute.boundary = (() => {
  // Of an activation f: f, and its slope where it answers a.
  const ACTIVATIONS = {
    none: [(z) => z, () => 1],
    relu: [(z) => (z > 0 ? z : 0), (a) => (a > 0 ? 1 : 0)],
    tanh: [Math.tanh, (a) => 1 - a * a],
    sigmoid: [sigmoid, (a) => a * (1 - a)],
  };

  function sigmoid(z) {
    return 1 / (1 + Math.exp(-z));
  }

  // The 32-bit numbers that torch draws on a CPU after manual_seed: MT19937.
  function generator(seed) {
    const state = new Uint32Array(624);
    state[0] = seed; // its last 32 bits, as in torch
    for (let i = 1; i < 624; i++) {
      const last = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(last, 1812433253) + i;
    }
    let next = 624;
    return () => {
      if (next === 624) {
        for (let i = 0; i < 624; i++) {
          const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
          state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
        }
        next = 0;
      }
      let y = state[next++];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      return (y ^ (y >>> 18)) >>> 0;
    };
  }

  // tensor.uniform_(-bound, bound), in float32: 24 of the 32 bits, and one rounding,
  // because torch multiplies and adds in one step.
  function uniform(tensor, bound, draw) {
    const low = Math.fround(-bound);
    const span = Math.fround(Math.fround(bound) - low);
    for (let i = 0; i < tensor.length; i++)
      tensor[i] = Math.fround((draw() & 0xffffff) * 2 ** -24 * span + low);
  }

  function dot(one, other) {
    let sum = 0;
    for (let p = 0; p < one.length; p++) sum += one[p] * other[p];
    return sum;
  }

  // sums += weight * values
  function add(sums, weight, values) {
    for (let p = 0; p < sums.length; p++) sums[p] += weight * values[p];
  }

  class Network {
    // `sizes` are the numbers of inputs, hidden units and outputs. `Numbers` is how
    // values are stored, Float32Array as torch does; sums are kept in double precision.
    constructor(sizes, activation, seed, Numbers = Float32Array) {
      this.Numbers = Numbers;
      [this.activate, this.slope] = ACTIVATIONS[activation];
      const draw = generator(seed);
      const layers = sizes.slice(1).map((outputs, i) => ({inputs: sizes[i], outputs}));
      const counts = layers.map(({inputs, outputs}) => (inputs + 1) * outputs);
      // All parameters in one array, in the order of model.parameters()
      this.parameters = new Numbers(counts.reduce((sum, count) => sum + count));
      this.gradient = new Float64Array(this.parameters.length);
      let from = 0;
      this.layers = layers.map(({inputs, outputs}) => {
        const middle = from + inputs * outputs;
        const end = middle + outputs;
        const layer = {
          weight: this.parameters.subarray(from, middle),
          bias: this.parameters.subarray(middle, end),
          dWeight: this.gradient.subarray(from, middle),
          dBias: this.gradient.subarray(middle, end),
        };
        from = end;
        uniform(layer.weight, 1 / Math.sqrt(inputs), draw);
        uniform(layer.bias, 1 / Math.sqrt(inputs), draw);
        return layer;
      });
    }

    // One array per input to what every layer answers: one array per unit, with a number
    // for each point. Those of the last layer are logits.
    forward(inputs) {
      const count = inputs[0].length;
      let below = inputs;
      return this.layers.map(({weight, bias}, at) => {
        const activate = at < this.layers.length - 1 ? this.activate : (z) => z;
        below = Array.from(bias, (b, o) => {
          const sums = new Float64Array(count).fill(b);
          below.forEach((values, i) => add(sums, weight[o * below.length + i], values));
          const answers = new this.Numbers(count);
          for (let p = 0; p < count; p++) answers[p] = activate(sums[p]);
          return answers;
        });
        return below;
      });
    }

    // One epoch: forward, loss, backward, step. Gives loss and accuracy before the step,
    // as `train_step` does.
    step(inputs, labels, lr) {
      const {layers, parameters, gradient, slope} = this;
      const values = this.forward(inputs);
      const count = labels.length;
      const [logits] = values.at(-1);
      const score = measure(logits, labels);
      // What the loss gains where the output of a unit grows, one array per unit
      let errors = [Float64Array.from(logits, (z, p) => (sigmoid(z) - labels[p]) / count)];
      for (let at = layers.length - 1; at >= 0; at--) {
        const {weight, dWeight, dBias} = layers[at];
        const below = at > 0 ? values[at - 1] : inputs;
        errors.forEach((error, o) => {
          dBias[o] = error.reduce((sum, e) => sum + e, 0);
          below.forEach((answers, i) => {
            dWeight[o * below.length + i] = dot(error, answers);
          });
        });
        if (at === 0) break;
        errors = below.map((answers, i) => {
          const passed = new Float64Array(count);
          errors.forEach((error, o) => add(passed, weight[o * below.length + i], error));
          for (let p = 0; p < count; p++) passed[p] *= slope(answers[p]);
          return passed;
        });
      }
      for (let i = 0; i < parameters.length; i++) parameters[i] -= lr * gradient[i];
      return score;
    }
  }

  // nn.BCEWithLogitsLoss in its stable form, and the share of right answers
  function measure(logits, labels) {
    let loss = 0;
    let right = 0;
    for (let p = 0; p < labels.length; p++) {
      const z = logits[p];
      loss += Math.max(z, 0) - z * labels[p] + Math.log1p(Math.exp(-Math.abs(z)));
      right += z > 0 === labels[p] > 0 ? 1 : 0;
    }
    return {loss: loss / labels.length, accuracy: right / labels.length};
  }

  // The columns of a tensor of shape (rows, columns): `forward` takes one per input.
  function columns(tensor) {
    const [rows, count] = tensor.shape;
    return Array.from({length: count}, (_, c) =>
      Float32Array.from({length: rows}, (_, r) => tensor[r * count + c]));
  }

  return {Network, measure, columns, sigmoid};
})();
