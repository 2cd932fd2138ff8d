// One window of a convolution: its nine pixels and their products with the nine weights.
//
// tests/labs/test_kernel.py compares their sums with PyTorch.
globalThis.labs ??= {};
labs.compute ??= {};

labs.compute.kernel = (() => {
  // How many pixels a window of 3 reaches over, the gaps of a dilation among them
  const reach = ({dilation}) => 2 * dilation + 1;

  // The side of the output, with the numbers put in
  const formula = (side, settings) =>
    `⌊(${side} + 2 · ${settings.padding} − ${reach(settings)}) / ${settings.stride}⌋ + 1`;

  // What is multiplied for the number in `row` and `column` of the output; outside of
  // the image are the zeros of the padding.
  function terms(image, {height, width}, weights, {stride, padding, dilation}, row, column) {
    return Array.from(weights, (weight, at) => {
      const y = row * stride - padding + Math.floor(at / 3) * dilation;
      const x = column * stride - padding + (at % 3) * dilation;
      const inside = y >= 0 && y < height && x >= 0 && x < width;
      const pixel = inside ? image[y * width + x] : 0;
      return {y, x, inside, pixel, weight, product: pixel * weight};
    });
  }

  // On one side, the pixel that is in the middle of a window
  const middle = (place, {stride, padding, dilation}) => place * stride - padding + dilation;

  // On one side, which of `places` windows has its middle nearest to a pixel.
  function nearest(pixel, places, {stride, padding, dilation}) {
    const place = Math.round((pixel + padding - dilation) / stride);
    return Math.min(Math.max(place, 0), places - 1);
  }

  // At which window a run is after so many seconds, if the next is the first: slow
  // enough to follow, then faster and faster.
  function pace(seconds) {
    return Math.floor(seconds < 3 ? 3 * seconds : 9 * Math.exp((seconds - 3) / 1.6));
  }

  // The same convolution as a cell of the chapter.
  function code(source, weights, settings) {
    const rows = [0, 3, 6].map((from) => `    [${weights.slice(from, from + 3).join(", ")}],`);
    const others = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    return [
      `image = ${source}`,
      "kernel = torch.tensor([",
      ...rows,
      "], dtype=torch.float)",
      `F.conv2d(image, kernel[None, None], ${others.join(", ")})`,
    ].join("\n");
  }

  return {reach, formula, terms, middle, nearest, pace, code};
})();
