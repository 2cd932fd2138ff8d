// TinyVGG of chapter 9, from the layers of convolution.js.
globalThis.labs ??= {};
labs.compute ??= {};

labs.compute.network = (() => {
  const {conv2d, maxPool2d, relu, linear, softmax} = labs.compute.convolution;

  // In the order in which an image passes through them; only the poolings have no weights.
  const STAGES = ["block_1.0", "block_1.2", "block_1.4", "block_2.0", "block_2.2", "block_2.4"];

  // The layers of PyTorch's state dict, by their names.
  const readState = (state) =>
    Object.fromEntries([...STAGES, "classifier.1"].map((name) => {
      const [weight, bias] = [state[`${name}.weight`], state[`${name}.bias`]];
      const [outputs, channels, kernel] = weight?.shape ?? [];
      return [name, weight && {weight, bias, outputs, channels, kernel}];
    }));

  // `image`: 28 rows of 28 pixels from 0 to 1. A stage hands on maps, a convolution after
  // its ReLU.
  function tinyVgg(image, layers) {
    let now = {maps: image, channels: 1, height: 28, width: 28};
    const stages = STAGES.map((name) => {
      if (layers[name]) {
        now = conv2d(now.maps, now, layers[name], {padding: 1});
        now.maps = relu(now.maps);
      } else now = maxPool2d(now.maps, now, 2);
      return now;
    });
    const logits = linear(now.maps, layers["classifier.1"]);
    return {stages, logits, probabilities: softmax(logits)};
  }

  // The image moved by whole pixels; what's pushed out is lost, and the gap is black.
  const push = (image, down, right) =>
    image.map((_, at) => {
      const [y, x] = [Math.floor(at / 28) - down, (at % 28) - right];
      return Math.min(y, x) >= 0 && Math.max(y, x) < 28 ? image[28 * y + x] : 0;
    });

  // The share of numbers above 0.
  const active = (map) => map.filter((value) => value > 0).length / map.length;

  // What makes one map: the map before, for a pooling; else all before, a kernel for
  // each, and a bias.
  function madeFrom(layers, stage, number) {
    const layer = layers[STAGES[stage]];
    if (!layer) return {from: [number], kernels: []};
    const {weight, bias, channels} = layer;
    const from = Array.from({length: channels}, (_, channel) => channel);
    const start = 9 * channels * number;
    const kernels = from.map((channel) =>
      weight.subarray(start + 9 * channel, start + 9 * channel + 9));
    return {from, kernels, bias: bias[number]};
  }

  return {readState, tinyVgg, push, active, madeFrom};
})();
