// The layers of a convolutional network, as PyTorch computes them: F.conv2d, F.max_pool2d,
// F.relu, F.linear and F.softmax, for one image. Sums are kept in double precision.
//
// Maps are stored as in a tensor of shape (channels, height, width): row by row, channel
// by channel. tests/labs/test_convolution.py compares every function with PyTorch.
globalThis.labs ??= {};
labs.compute ??= {};

labs.compute.convolution = (() => {
  // How many windows fit on one side; less than 1 where not even one does.
  function outputSize(size, kernel, {stride = 1, padding = 0, dilation = 1} = {}) {
    const reach = dilation * (kernel - 1) + 1;
    return Math.floor((size + 2 * padding - reach) / stride) + 1;
  }

  function outputShape({height, width}, channels, kernel, settings) {
    const [rows, columns] = [height, width].map((size) => outputSize(size, kernel, settings));
    if (rows < 1 || columns < 1)
      throw new RangeError("Kernel size can't be greater than actual input size");
    return {channels, height: rows, width: columns};
  }

  // `weight` has the shape (outputs, channels, kernel, kernel); without `bias` it is 0.
  // Gives the maps and their shape: {maps, channels, height, width}.
  function conv2d(
    maps, {channels = 1, height, width}, {weight, bias, outputs, kernel}, settings = {},
  ) {
    const {stride = 1, padding = 0, dilation = 1} = settings;
    const shape = outputShape({height, width}, outputs, kernel, settings);
    const area = shape.height * shape.width;
    const out = new Float64Array(outputs * area);
    for (let o = 0; bias && o < outputs; o++) out.fill(bias[o], o * area, (o + 1) * area);

    // The places of the output on one side whose window has the shifted pixel inside
    // the image: from the first to before the last.
    const reached = (shift, size, places) => [
      Math.max(Math.ceil(-shift / stride), 0),
      Math.min(Math.floor((size - 1 - shift) / stride) + 1, places),
    ];
    // One place of one kernel at a time, added to all numbers that it reaches: the
    // padding's zeros are left out by themselves.
    let at = 0;
    for (let o = 0; o < outputs; o++) {
      for (let channel = 0; channel < channels; channel++) {
        for (let i = 0; i < kernel; i++) {
          const down = i * dilation - padding;
          const [top, bottom] = reached(down, height, shape.height);
          for (let j = 0; j < kernel; j++) {
            const right = j * dilation - padding;
            const [first, end] = reached(right, width, shape.width);
            const w = weight[at++];
            for (let y = top; y < bottom; y++) {
              const to = o * area + y * shape.width;
              const from = (channel * height + y * stride + down) * width + right;
              for (let x = first; x < end; x++) out[to + x] += w * maps[from + x * stride];
            }
          }
        }
      }
    }
    return {maps: out, ...shape};
  }

  // The largest number of each window, `size` on a side; windows don't overlap.
  function maxPool2d(maps, {channels = 1, height, width}, size = 2) {
    const shape = outputShape({height, width}, channels, size, {stride: size});
    const out = new Float64Array(channels * shape.height * shape.width);
    let at = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let y = 0; y < shape.height; y++) {
        for (let x = 0; x < shape.width; x++) {
          let most = -Infinity;
          for (let i = 0; i < size; i++) {
            const from = (channel * height + y * size + i) * width + x * size;
            for (let j = 0; j < size; j++) most = Math.max(most, maps[from + j]);
          }
          out[at++] = most;
        }
      }
    }
    return {maps: out, ...shape};
  }

  const relu = (values) => values.map((value) => Math.max(value, 0));

  // `weight` has the shape (outputs, inputs), `bias` one number for each output.
  function linear(values, {weight, bias}) {
    const inputs = values.length;
    return Float64Array.from(bias, (sum, o) => {
      for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * values[i];
      return sum;
    });
  }

  function softmax(logits) {
    const most = Math.max(...logits);
    const powers = Float64Array.from(logits, (z) => Math.exp(z - most));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  }

  return {outputSize, conv2d, maxPool2d, relu, linear, softmax};
})();
