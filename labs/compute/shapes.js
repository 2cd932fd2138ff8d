// What an operation on tensors gives, as PyTorch computes it: shape, strides, whether the
// memory is shared, which entry comes from where, or PyTorch's message.
globalThis.labs ??= {};
labs.compute ??= {};
labs.compute.shapes = (() => {
  // The messages are this version's; a test holds it to requirements.txt.
  const TORCH = "2.14.1";

  const check = (right, message, name = "RuntimeError") => {
    if (!right) throw {error: {name, message}};
  };

  const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
  const equal = (one, other) => one.join() === other.join();
  const list = (sizes) => `[${sizes.join(", ")}]`;
  const without = (values, at) => values.toSpliced(at, 1);

  // A tensor without gaps in its memory, row by row.
  const compact = (shape) => ({
    shape,
    stride: shape.map((_, d) => product(shape.slice(d + 1).map((size) => Math.max(size, 1)))),
  });

  function isContiguous({shape, stride}) {
    const rows = compact(shape).stride;
    return shape.includes(0) || shape.every((size, d) => size === 1 || stride[d] === rows[d]);
  }

  function wrap(dim, dims) {
    const high = Math.max(dims, 1) - 1;
    check(-high - 1 <= dim && dim <= high, "Dimension out of range (expected to be in range " +
      `of [${-high - 1}, ${high}], but got ${dim})`, "IndexError");
    return dim < 0 ? dim + high + 1 : dim;
  }

  function permute({shape, stride}, order) {
    check(order.length === shape.length, "permute(sparse_coo): number of dimensions in the " +
      "tensor input does not match the length of the desired ordering of dimensions i.e. " +
      `input.dim() = ${shape.length} is not equal to len(dims) = ${order.length}`);
    const dims = order.map((dim) => wrap(dim, shape.length));
    check(new Set(dims).size === dims.length, "permute(): duplicate dims are not allowed.");
    return {
      shape: dims.map((d) => shape[d]),
      stride: dims.map((d) => stride[d]),
      from: (at) => [[0, shape.map((_, d) => at[dims.indexOf(d)])]],
    };
  }

  function transpose(t, first, second) {
    [first, second] = [wrap(first, t.shape.length), wrap(second, t.shape.length)];
    const order = t.shape.map((_, d) => (d === first ? second : d === second ? first : d));
    return permute(t, order);
  }

  function unsqueeze({shape, stride}, dim) {
    const at = wrap(dim, shape.length + 1);
    const step = at < shape.length ? shape[at] * stride[at] : 1;
    return {
      shape: shape.toSpliced(at, 0, 1),
      stride: stride.toSpliced(at, 0, step),
      from: (index) => [[0, without(index, at)]],
    };
  }

  function squeeze({shape, stride}, dim) {
    const only = dim === undefined ? -1 : wrap(dim, shape.length);
    const kept = shape.map((_, d) => d)
      .filter((d) => shape[d] !== 1 || (dim !== undefined && d !== only));
    return {
      shape: kept.map((d) => shape[d]),
      stride: kept.map((d) => stride[d]),
      from: (at) => [[0, shape.map((_, d) => (kept.includes(d) ? at[kept.indexOf(d)] : 0))]],
    };
  }

  // The entry of a tensor of this shape that stands at `at` once it's stretched.
  const stretched = (shape, at) =>
    shape.map((size, d) => (size === 1 ? 0 : at[at.length - shape.length + d]));

  function expand({shape, stride}, sizes) {
    check(sizes.length >= shape.length, `expand(torch.LongTensor{${list(shape)}}, ` +
      `size=${list(sizes)}): the number of sizes provided (${sizes.length}) must be greater ` +
      `or equal to the number of dimensions in the tensor (${shape.length})`);
    const from = (at) => [[0, stretched(shape, at)]];
    if (!shape.length) {
      // A single number takes any sizes, and a -1 counts as 2 ** 64 - 1.
      let entries = 1;
      const fits = sizes.every((size) => (entries *= size < 0 ? 2 ** 64 : size) <= 2 ** 64);
      check(fits && entries < 2 ** 63, "numel: integer multiplication overflow");
      return {shape: sizes, stride: sizes.map(() => 0), from};
    }
    const newShape = [];
    const newStride = [];
    for (let i = sizes.length - 1; i >= 0; i--) {
      const d = i + shape.length - sizes.length;
      const size = d >= 0 ? shape[d] : 1;
      const keeps = sizes[i] === -1;
      check(!keeps || d >= 0, `The expanded size of the tensor (-1) isn't allowed in a ` +
        `leading, non-existing dimension ${i}`);
      const same = keeps || sizes[i] === size;
      check(same || size === 1, `The expanded size of the tensor (${sizes[i]}) must match ` +
        `the existing size (${size}) at non-singleton dimension ${i}.  ` +
        `Target sizes: ${list(sizes)}.  Tensor sizes: ${list(shape)}`);
      const own = d >= 0 ? stride[d] : i + 1 < sizes.length ? newShape[i + 1] * newStride[i + 1] : 1;
      newShape[i] = same ? size : sizes[i];
      newStride[i] = same ? own : 0;
    }
    return {shape: newShape, stride: newStride, from};
  }

  // As in ATen's InferSize.h.
  function inferShape(sizes, entries) {
    let known = 1;
    let open = -1;
    sizes.forEach((size, i) => {
      check(size !== -1 || open < 0, "only one dimension can be inferred");
      check(size >= -1, `invalid shape dimension ${size} at index ${i} of shape ${list(sizes)}`);
      if (size === -1) open = i;
      else known *= size;
    });
    const fits = known === entries || (open >= 0 && entries % known === 0);
    check(fits, `shape '${list(sizes)}' is invalid for input of size ${entries}`);
    if (open < 0) return sizes;
    check(known, `cannot reshape tensor of 0 elements into shape ${list(sizes)} because the ` +
      "unspecified dimension size -1 can be any value and is ambiguous");
    return sizes.with(open, entries / known);
  }

  // The strides that read the memory in another shape, or null (TensorUtils.cpp).
  function computeStride({shape, stride}, sizes) {
    if (!shape.length) return sizes.map(() => 1);
    if (product(shape) === 0) return equal(shape, sizes) ? stride : compact(sizes).stride;
    const result = [];
    let view = sizes.length - 1;
    let step = stride.at(-1);
    let [here, there] = [1, 1];
    for (let d = shape.length - 1; d >= 0; d--) {
      here *= shape[d];
      // A chunk of dimensions ends where the next one doesn't continue its steps.
      if (d > 0 && (shape[d - 1] === 1 || stride[d - 1] === here * step)) continue;
      while (view >= 0 && (here > there || sizes[view] === 1)) {
        result[view] = there * step;
        there *= sizes[view];
        view--;
      }
      if (there !== here) return null;
      if (d > 0) [step, here, there] = [stride[d - 1], 1, 1];
    }
    return view < 0 ? result : null;
  }

  // The index of the entry at a position, counted row by row, and back.
  function unravel(position, shape) {
    const index = [];
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d] = position % shape[d];
      position = Math.floor(position / shape[d]);
    }
    return index;
  }
  const place = (at, stride) => at.reduce((sum, i, d) => sum + i * stride[d], 0);

  function reread(t, sizes, mayCopy) {
    const shape = inferShape(sizes, product(t.shape));
    const stride = computeStride(t, shape);
    check(stride || mayCopy, "view size is not compatible with input tensor's size and " +
      "stride (at least one dimension spans across two contiguous subspaces). " +
      "Use .reshape(...) instead.");
    const rows = compact(shape);
    const from = (at) => [[0, unravel(place(at, rows.stride), t.shape)]];
    return {shape, stride: stride ?? rows.stride, copies: !stride, from};
  }
  const view = (t, sizes) => reread(t, sizes, false);
  const reshape = (t, sizes) => reread(t, sizes, true);

  function broadcast(a, b) {
    const dims = Math.max(a.length, b.length);
    const shape = [];
    for (let i = dims - 1; i >= 0; i--) {
      const one = a[i + a.length - dims] ?? 1;
      const other = b[i + b.length - dims] ?? 1;
      check(one === other || one === 1 || other === 1, `The size of tensor a (${one}) must ` +
        `match the size of tensor b (${other}) at non-singleton dimension ${i}`);
      shape[i] = one === 1 ? other : one;
    }
    return shape;
  }

  function add(a, b) {
    const shape = broadcast(a.shape, b.shape);
    const from = (at) => [[0, stretched(a.shape, at)], [1, stretched(b.shape, at)]];
    return {shape, stride: strideOfSum(a, b, shape), copies: true, from};
  }

  // A sum lies in memory as its inputs do, a first (TensorIterator.cpp).
  function strideOfSum(a, b, shape) {
    if (equal(a.shape, b.shape) && isContiguous(a)) return compact(shape).stride;
    const steps = [a, b].map((t) => shape.map((size, i) => {
      const d = i + t.shape.length - shape.length;
      return d < 0 || (t.shape[d] === 1 && size !== 1) ? 0 : t.stride[d];
    }));
    const compare = (one, other) => {
      for (const stride of steps) {
        if (stride[one] === 0 || stride[other] === 0) continue;
        if (stride[one] !== stride[other]) return Math.sign(stride[one] - stride[other]);
        if (shape[one] > shape[other]) return 1;
      }
      return 0;
    };
    const order = shape.map((_, d) => d).reverse();
    for (let i = 1; i < order.length; i++) {
      for (let [low, high] = [i - 1, i]; low >= 0; low--) {
        const says = compare(order[low], order[high]);
        if (says < 0) break;
        if (says === 0) continue;
        [order[low], order[high]] = [order[high], order[low]];
        high = low;
      }
    }
    const stride = [];
    order.reduce((step, d) => (stride[d] = step) * shape[d], 1);
    // In the usual order the steps of an empty tensor count as if no size were 0.
    return order.every((d, i) => d === order.length - 1 - i) ? compact(shape).stride : stride;
  }

  // Whether the larger one is read as one tall matrix (LinearAlgebra.cpp).
  function shouldFold(a, b) {
    if (a.shape.length === 2 || Math.min(a.shape.length, b.shape.length) > 2) return false;
    const {shape, stride} = a.shape.length > 2 ? a : transpose(b, -1, -2);
    const long = shape.map((_, d) => d).slice(0, -1).filter((d) => shape[d] !== 1);
    return shape.includes(0) ||
      long.every((d, i) => i === 0 || stride[long[i - 1]] === stride[d] * shape[d]);
  }

  function matmul(a, b) {
    const [one, other] = [a.shape.length, b.shape.length];
    check(one && other,
      `both arguments to matmul need to be at least 1D, but they are ${one}D and ${other}D`);
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const rows = one > 1 ? [a.shape.at(-2)] : [];
    const columns = other > 1 ? [b.shape.at(-1)] : [];
    const [k, l] = [a.shape.at(-1), b.shape.at(other > 1 ? -2 : -1)];
    const flat = Math.max(one, other) < 3 || shouldFold(a, b);
    const batch = flat ? [...batchA, ...batchB] : broadcast(batchA, batchB);
    // The check is that of the function that multiplies in the end: dot, mv, mm or bmm.
    const tall = (n) => product([...batch, ...n]);
    const vector = (n, m, v) => `size mismatch, got input (${n}), mat (${n}x${m}), vec (${v})`;
    check(k === l,
      one + other === 2 ? `inconsistent tensor size, expected tensor [${k}] and src [${l}] to ` +
        `have the same number of elements, but got ${k} and ${l} elements respectively`
      : !flat ? "Expected size for first two dimensions of batch2 tensor to be: " +
        `${list([product(batch), k])} but got: ${list([product(batch), l])}.`
      : other === 1 ? vector(tall(rows), k, l)
      : other > 2 ? vector(tall(columns), l, k)
      : `mat1 and mat2 shapes cannot be multiplied (${tall(rows)}x${k} and ${l}x${columns})`);
    const from = (at) => {
      const left = stretched(batchA, at.slice(0, batch.length));
      const right = stretched(batchB, at.slice(0, batch.length));
      const row = at.slice(batch.length, batch.length + rows.length);
      const column = at.slice(batch.length + rows.length);
      return Array.from({length: k}, (_, i) =>
        [[0, [...left, ...row, i]], [1, [...right, i, ...column]]]).flat();
    };
    return {...compact([...batch, ...rows, ...columns]), copies: true, from};
  }

  function cat(a, b, dim) {
    const both = [a, b];
    both.forEach(({shape}, i) => check(shape.length,
      `zero-dimensional tensor (at position ${i}) cannot be concatenated`));
    // An empty vector counts as nothing, whatever the shape of the other one.
    const counts = both.map(({shape}) => !equal(shape, [0]));
    const first = both[counts.indexOf(true)];
    if (!first) return {...compact([0]), copies: true, from: () => []};
    const at = wrap(dim, first.shape.length);
    const sizes = both.map(({shape}, i) => {
      if (!counts[i]) return 0;
      check(shape.length === first.shape.length, "Tensors must have same number of " +
        `dimensions: got ${first.shape.length} and ${shape.length}`);
      first.shape.forEach((size, d) => check(d === at || shape[d] === size,
        `Sizes of tensors must match except in dimension ${at}. Expected size ${size} but ` +
        `got size ${shape[d]} for tensor number ${i} in the list.`));
      return shape[at];
    });
    return {
      ...compact(first.shape.with(at, sizes[0] + sizes[1])),
      copies: true,
      from: (index) =>
        [index[at] < sizes[0] ? [0, index] : [1, index.with(at, index[at] - sizes[0])]],
    };
  }

  function stack(a, b, dim) {
    const at = wrap(dim, a.shape.length + 1);
    check(equal(a.shape, b.shape), "stack expects each tensor to be equal size, but got " +
      `${list(a.shape)} at entry 0 and ${list(b.shape)} at entry 1`);
    const from = (index) => [[index[at], without(index, at)]];
    return {...compact(a.shape.toSpliced(at, 0, 2)), copies: true, from};
  }

  const OPERATIONS = {
    "+": add, "@": matmul, cat, stack, reshape, view, permute, transpose, unsqueeze, squeeze,
    expand,
  };

  // The result of an operation on tensors {shape, stride}, as {shape, stride, contiguous,
  // view, from}, or {error: {name, message}}. `from(index)` lists where an entry comes
  // from, as [number of the tensor, index] (for @ in pairs that are multiplied).
  function run(name, tensors, options = []) {
    try {
      const {shape, stride, from, copies = false} = OPERATIONS[name](...tensors, ...options);
      return {shape, stride, contiguous: isContiguous({shape, stride}), view: !copies, from};
    } catch (refused) {
      if (!refused.error) throw refused;
      return refused;
    }
  }

  // Whole numbers in a text such as "2, 3", "(2, 3)" or "2x3", as {numbers}, or as
  // {problem}: "empty", "unreadable", "small" or "large".
  function parse(text, least = 0) {
    const bare = text.replace(/^\s*(torch\.Size)?[([\s]*|[)\],\s]*$/g, "");
    if (!bare) return /[([]/.test(text) ? {numbers: []} : {problem: "empty"};
    const words = bare.replaceAll("−", "-").split(/\s*[,x×]\s*|\s+/);
    if (!words.every((word) => /^-?\d+$/.test(word))) return {problem: "unreadable"};
    const numbers = words.map(Number);
    if (numbers.some((number) => number < least)) return {problem: "small"};
    const entries = product(numbers.map((number) => Math.max(Math.abs(number), 1)));
    return entries > 1e7 || numbers.length > 5 ? {problem: "large"} : {numbers};
  }

  return {TORCH, compact, run, parse, unravel, place, product};
})();
