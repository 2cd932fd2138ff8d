// Chapter 4: SGD, momentum and Adam on the mean squared error of a line w·x + b.
//
// The rules are those of torch.optim, operation by operation; tests/labs/test_descent.py
// compares every step with it.
globalThis.labs ??= {};
labs.compute ??= {};

labs.compute.descent = (() => {
  // The loss at [w, b], and its slope in each of the two.
  function mse([w, b], x, y) {
    let loss = 0;
    const slopes = [0, 0];
    x.forEach((value, i) => {
      const error = w * value + b - y[i];
      loss += error * error;
      slopes[0] += 2 * error * value;
      slopes[1] += 2 * error;
    });
    return {loss: loss / x.length, slopes: slopes.map((slope) => slope / x.length)};
  }

  // Each rule turns slopes into moves. `by` is the move; the other numbers are what it
  // was made of, for a reader who wants to see them.
  const RULES = {
    SGD: ({lr}) => (slopes) => slopes.map((slope) => ({slope, by: -lr * slope})),

    momentum({lr, momentum}) {
      const velocities = [0, 0];
      return (slopes) =>
        slopes.map((slope, i) => {
          const before = velocities[i];
          const velocity = (velocities[i] = momentum * before + slope);
          return {slope, before, velocity, by: -lr * velocity};
        });
    },

    Adam({lr, betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8}) {
      const means = [0, 0];
      const squares = [0, 0];
      let t = 0;
      return (slopes) => {
        t += 1;
        return slopes.map((slope, i) => {
          means[i] += (1 - beta1) * (slope - means[i]);
          squares[i] = beta2 * squares[i] + (1 - beta2) * slope * slope;
          const mean = means[i] / (1 - beta1 ** t);
          const root = Math.sqrt(squares[i]) / Math.sqrt(1 - beta2 ** t) + eps;
          return {slope, mean, root, by: (-lr * mean) / root};
        });
      };
    },
  };

  // A descent: at each step where it is, the loss there, and the moves that come next.
  function follow(rule, settings, start, steps, x, y) {
    const move = RULES[rule](settings);
    const path = [];
    for (let step = 0, at = start; step <= steps; step++) {
      const {loss, slopes} = mse(at, x, y);
      const moves = move(slopes);
      path.push({at, loss, moves});
      at = at.map((value, i) => value + moves[i].by);
    }
    return path;
  }

  // Whether a descent runs away: it ends higher than it began, and still rises. Peaks
  // are compared, because a descent that swings from side to side also rises at times.
  function runsAway(path) {
    const peak = (from, to) =>
      Math.max(...path.slice(from * path.length, to * path.length)
        .map(({loss}) => (Number.isFinite(loss) ? loss : Infinity)));
    const end = peak(0.75, 1);
    return end > path[0].loss && (end === Infinity || end > peak(0.5, 0.75));
  }

  // The lowest point, and the ellipse of all places with the loss `level` around it.
  function valley(x, y) {
    const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    const [p, q, r] = [mean(x.map((v) => v * v)), mean(x), mean(x.map((v, i) => v * y[i]))];
    const w = (r - q * mean(y)) / (p - q * q);
    const lowest = [w, mean(y) - w * q];
    const floor = mse(lowest, x, y).loss;
    // Half the second derivatives are [[p, q], [q, 1]]; these are its eigenvalues.
    const half = Math.hypot((p - 1) / 2, q);
    const [steep, flat] = [(p + 1) / 2 + half, (p + 1) / 2 - half];
    const angle = Math.atan2(2 * q, p - 1) / 2; // of the steep direction
    const ellipse = (level) =>
      [steep, flat].map((curvature) => Math.sqrt(Math.max(level - floor, 0) / curvature));
    return {lowest, angle, ellipse};
  }

  return {mse, follow, runsAway, valley};
})();
