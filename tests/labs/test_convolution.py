"""labs/compute/convolution.js computes what PyTorch does."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

GAP = 1e-12
SETTINGS = [
    {"stride": stride, "padding": padding, "dilation": dilation}
    for stride, padding, dilation in product((1, 2, 3), (0, 1, 2, 3), (1, 2, 3))
]
SHAPES = [  # channels, height, width, outputs, kernel
    (1, 28, 28, 1, 3),
    (3, 9, 12, 4, 3),
    (2, 7, 5, 3, 1),
    (1, 6, 11, 2, 2),
    (2, 13, 8, 1, 5),
    (1, 3, 3, 1, 3),
]
CONV = """([numbers, image, layer, settings]) => {
  const {conv2d} = labs.compute.convolution;
  const tensor = (values) => values && globalThis[numbers].from(values);
  const {weight, bias} = layer;
  try {
    const {maps, channels, height, width} = conv2d(tensor(image.maps), image,
      {...layer, weight: tensor(weight), bias: tensor(bias)}, settings);
    return {maps: [...maps], shape: [channels, height, width]};
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {error: error.message};
  }
}"""
CALL = """([name, values, ...others]) => {
  const out = labs.compute.convolution[name](Float64Array.from(values), ...others);
  return out.maps
    ? {maps: [...out.maps], shape: [out.channels, out.height, out.width]}
    : [...out];
}"""


def numbers(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def gap(there, here):
    """Return the largest difference of what the page and PyTorch computed."""
    there = torch.tensor(there, dtype=torch.float64)
    assert there.shape == here.flatten().shape
    return (there - here.double().flatten()).abs().max().item()


def conv_gap(page, shape, settings, dtype=torch.float64, with_bias=True):
    """Compare conv2d; None where both refuse, because no window fits."""
    channels, height, width, outputs, kernel = shape
    image = numbers(channels, height, width, dtype=dtype)
    weight = numbers(outputs, channels, kernel, kernel, dtype=dtype)
    bias = numbers(outputs, dtype=dtype) if with_bias else None
    layer = {
        "weight": weight.flatten().tolist(),
        "bias": bias.tolist() if with_bias else None,
        "outputs": outputs,
        "kernel": kernel,
    }
    maps = {"maps": image.flatten().tolist(), "height": height, "width": width}
    if channels > 1:  # one channel is the default
        maps["channels"] = channels
    kind = {torch.float64: "Float64Array", torch.float32: "Float32Array"}[dtype]
    there = page.evaluate(CONV, [kind, maps, layer, settings])
    if "error" in there:
        with pytest.raises(RuntimeError, match=there["error"]):
            F.conv2d(image, weight, bias, **settings)
        return None
    here = F.conv2d(image, weight, bias, **settings)
    assert there["shape"] == list(here.shape)
    return gap(there["maps"], here)


@pytest.mark.parametrize("shape", SHAPES)
def test_conv2d_in_all_settings(compute, shape):
    torch.manual_seed(0)
    page = compute("convolution")
    gaps = [conv_gap(page, shape, settings) for settings in SETTINGS]
    gaps = [known for known in gaps if known is not None]
    assert len(gaps) >= 12
    assert max(gaps) < GAP


def test_conv2d_without_settings_and_bias(compute):
    torch.manual_seed(1)
    page = compute("convolution")
    assert conv_gap(page, (2, 8, 9, 3, 3), {}) < GAP
    assert conv_gap(page, (2, 8, 9, 3, 3), {"padding": 1}, with_bias=False) < GAP


def test_where_no_window_fits_both_refuse(compute):
    page = compute("convolution")
    assert conv_gap(page, (1, 3, 3, 1, 3), {"dilation": 2}) is None
    assert conv_gap(page, (1, 9, 2, 1, 3), {}) is None
    assert conv_gap(page, (1, 9, 2, 1, 3), {"padding": 1}) < GAP


@pytest.mark.parametrize("settings", SETTINGS[::5])
def test_conv2d_on_float32_is_nearer_than_its_rounding(compute, settings):
    torch.manual_seed(2)
    found = conv_gap(compute("convolution"), (3, 28, 28, 4, 3), settings, torch.float32)
    assert found < 1e-5


@pytest.mark.parametrize("shape", [(10, 28, 28), (3, 7, 7), (2, 5, 8)])
@pytest.mark.parametrize("size", [2, 3])
def test_max_pool(compute, shape, size):
    torch.manual_seed(3)
    maps = numbers(*shape) - 2  # so that a window may hold no number above 0
    sides = dict(zip(("channels", "height", "width"), shape, strict=True))
    there = compute("convolution").evaluate(
        CALL, ["maxPool2d", maps.flatten().tolist(), sides, size]
    )
    here = F.max_pool2d(maps, size)
    assert there["shape"] == list(here.shape)
    assert gap(there["maps"], here) == 0


def head_gaps(page):
    """Return the gaps of relu, linear and softmax."""
    torch.manual_seed(4)
    values, weight, bias = numbers(490), numbers(10, 490), numbers(10)
    layer = {"weight": weight.flatten().tolist(), "bias": bias.tolist()}
    calls = {
        "relu": [values, F.relu(values)],
        "linear": [values, F.linear(values, weight, bias), layer],
        "softmax": [1000 * bias, F.softmax(1000 * bias, 0)],  # exp alone would overflow
    }
    for name, (given, here, *others) in calls.items():
        there = page.evaluate(CALL, [name, given.tolist(), *others])
        yield gap(there, here)
        assert len(there) == len(here)
    soft = page.evaluate(CALL, ["softmax", bias.tolist()])
    yield gap(soft, bias.softmax(0))


def test_relu_linear_and_softmax(compute):
    assert max(head_gaps(compute("convolution"))) < GAP


# A check that nothing can fail is none: each slip has to be caught.
SLIPS = {
    "kernel flipped": (
        "j * dilation - padding",
        "(kernel - 1 - j) * dilation - padding",
    ),
    "kernel transposed": (
        "const w = weight[at++]",
        "const w = weight[at - at % (kernel * kernel) + j * kernel + i]; at++",
    ),
    "dilation of the rows left out": ("i * dilation - padding", "i - padding"),
    "stride of the columns left out": ("from + x * stride]", "from + x]"),
    "bias left out": ("out.fill(bias[o],", "out.fill(0,"),
    "the last column left out": ("(size - 1 - shift)", "(size - 2 - shift)"),
    "last channel for all": (
        "(channel * height + y * stride",
        "((channels - 1) * height + y * stride",
    ),
    "size without dilation": ("dilation * (kernel - 1) + 1", "kernel"),
    "padding at one end only": ("size + 2 * padding", "size + padding"),
    "size rounded up": ("return Math.floor((size + 2", "return Math.ceil((size + 2"),
}
HEAD_SLIPS = {
    "relu left out": ("=> Math.max(value, 0)", "=> value"),
    "weights transposed": ("weight[o * inputs + i]", "weight[i * bias.length + o]"),
    "softmax overflows": ("Math.exp(z - most)", "Math.exp(z)"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_in_the_convolution_are_caught(compute, slip):
    torch.manual_seed(5)
    page = compute("convolution", replace=SLIPS[slip])
    some = {"stride": 2, "padding": 2, "dilation": 2}
    with pytest.raises(AssertionError):
        assert conv_gap(page, (3, 9, 12, 4, 3), some) < GAP


@pytest.mark.parametrize("slip", HEAD_SLIPS)
def test_slips_in_the_head_are_caught(compute, slip):
    page = compute("convolution", replace=HEAD_SLIPS[slip])
    with pytest.raises(AssertionError):
        assert all(found < GAP for found in head_gaps(page))


def test_slip_in_the_pooling_is_caught(compute):
    page = compute("convolution", replace=("most = -Infinity", "most = 0"))
    there = page.evaluate(
        CALL, ["maxPool2d", [-1.0, -2, -3, -4], {"height": 2, "width": 2}]
    )
    assert there["maps"] != [-1]
