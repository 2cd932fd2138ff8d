"""A device that is not there: `torch.device("pretend")`, served by the CPU in secret.

On a machine without a GPU the code of a course never meets what a GPU refuses: tensors
on two devices, `.numpy()` of a tensor that is far away, float64 where the hardware has
none (MPS). This backend refuses all of that, and computes the rest with the CPU's own
kernels, so that a result is the same to the last bit.

It stands on the experimental hooks with which PyTorch takes a backend written in Python
(`torch.utils.backend_registration._setup_privateuseone_for_python_backend`). A tensor
on it has true sizes and strides, and a storage without bytes; the bytes are those of a
storage on the CPU, the twin, that hangs on the storage. Views share the storage and
thereby the twin.

With this folder on ``PYTHONPATH``, ``import torch`` registers the device by itself: the
metadata beside this file name `register` under the entry point ``torch.backends``.
"""

import functools
from contextlib import contextmanager, nullcontext

import torch
from torch.utils import backend_registration

NAME = "pretend"
ATEN = torch.ops.aten
CPU = torch.device("cpu")
SET = ATEN.set_.source_Storage_storage_offset
REAL = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)

# These take indices on the CPU for a tensor on a device, as on CUDA and MPS.
INDEXING = {ATEN.index, ATEN.index_put, ATEN.index_put_, ATEN._index_put_impl_}
registrations = []


class Module(backend_registration._DummyBackendModule):
    """What stands at ``torch.pretend``, as `torch.cuda` stands for its device.

    The device draws from a generator of its own, as every GPU does.
    """

    generator = torch.Generator()

    def is_available(self):
        return True

    def device_count(self):
        return 1

    def manual_seed_all(self, seed):
        self.generator.manual_seed(seed)

    def get_rng_state(self, device=NAME):
        return self.generator.get_state()

    def set_rng_state(self, state, device=NAME):
        self.generator.set_state(state)

    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]


@contextmanager
def own_randomness():
    """Let the CPU's kernels draw from the generator of the device."""
    cpu, own = torch.default_generator, Module.generator
    state = cpu.get_state()
    cpu.set_state(own.get_state())
    try:
        yield
    finally:
        own.set_state(cpu.get_state())
        cpu.set_state(state)


def is_here(value):
    """Tell whether the value is a tensor on this device."""
    return isinstance(value, torch.Tensor) and value.device.type == NAME


def twin_of(tensor):
    """Return the tensor on the CPU that holds the numbers of one on the device."""
    return torch.empty(0, dtype=tensor.dtype).set_(
        tensor.untyped_storage().twin,
        tensor.storage_offset(),
        tensor.size(),
        tensor.stride(),
    )


def place(twin):
    """Return a tensor on the device whose numbers are those of one on the CPU."""
    refuse_float64(twin.dtype)
    tensor = torch._C._acc.create_empty_tensor((0,), twin.dtype)
    return attach(tensor, twin)


def attach(tensor, twin):
    """Give a tensor on the device the layout and the numbers of one on the CPU."""
    layout = twin.storage_offset(), twin.size(), twin.stride()
    return SET.redispatch(REAL, tensor, store(twin.untyped_storage()), *layout)


def store(twin):
    """Return a storage on the device whose bytes are those of one on the CPU."""
    here = torch.device(NAME, 0)
    pointer, size = twin.data_ptr(), twin.nbytes()
    storage = torch._C._construct_storage_from_data_pointer(pointer, here, size)
    storage.twin = twin
    return storage


def refuse_float64(dtype):
    """Refuse what Apple's GPU refuses."""
    if dtype in {torch.float64, torch.complex128}:
        raise TypeError(
            f"Cannot convert a {NAME} Tensor to {str(dtype).removeprefix('torch.')}: "
            f"the {NAME} device doesn't support it. Please use float32 instead."
        )


def compute(op, *args, **kwargs):
    """Run any operator on the twins, after the checks that hardware imposes."""
    twins = []
    indexing = op.overloadpacket in INDEXING
    if indexing and not is_here(args[0]):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed "
            f"tensor ({args[0].device})"
        )

    def near(value):
        if isinstance(value, torch.Tensor):
            if value.device.type == NAME:
                twin = twin_of(value)
                twins.append((value, twin))
                return twin
            # Like a number, a tensor without dimensions may come from the CPU.
            if value.dim() > 0 and not indexing:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least "
                    f"two devices, {NAME}:0 and {value.device}! (when computing {op})"
                )
            return value
        if isinstance(value, (list, tuple)):
            return type(value)([near(part) for part in value])
        if isinstance(value, torch.device):
            return CPU
        if isinstance(value, torch.Generator):
            raise RuntimeError(
                f"Expected a '{NAME}' device type for generator but found "
                f"'{value.device.type}'"
            )
        return value

    def far(value):
        if isinstance(value, torch.Tensor):
            for tensor, twin in twins:
                if value is twin:
                    return tensor
            return place(value)
        if isinstance(value, (list, tuple)):
            return type(value)([far(part) for part in value])
        return value

    drawing = torch.Tag.nondeterministic_seeded in op.tags
    with own_randomness() if drawing else nullcontext():
        kwargs = {name: near(value) for name, value in kwargs.items()}
        result = op(*near(args), **kwargs)
    for tensor, twin in twins:
        if tensor.shape != twin.shape:  # an `out=` that was resized
            attach(tensor, twin)
    return far(result)


def empty(
    size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None
):
    """Make a tensor on the device; `torch.zeros` and its like begin here."""
    return place(torch.empty(size, dtype=dtype, memory_format=memory_format))


def empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None):
    """Make a tensor on the device; `tensor.to(device)` begins here."""
    return place(torch.empty_strided(size, stride, dtype=dtype))


def resize(tensor, size, memory_format=None):
    """Resize in place; the twin grows with the storage."""
    twin = twin_of(tensor).resize_(size, memory_format=memory_format)
    return attach(tensor, twin)


def copy(source, target, non_blocking=False):
    """Copy to the device, from it, or on it."""
    near, there = (twin_of(t) if is_here(t) else t for t in (source, target))
    there.copy_(near)
    return target


def convolution(x, weight, bias, *settings):
    """Serve every convolution; PyTorch has no fallback for it on new devices."""
    return compute(ATEN.convolution.default, x, weight, bias, *settings)


def convolution_backward(gradient, x, weight, *settings):
    """Serve the backward pass of every convolution."""
    *settings, transposed, padding, groups, wanted = settings
    settings = *settings, transposed, padding, groups, wanted
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    backward = ATEN.convolution_backward.default
    return compute(backward, gradient, x, weight, [channels], *settings)


def layout_kernel(op):
    """Serve what changes sizes and strides alone with the CPU's kernel."""
    return lambda *args: op.redispatch(REAL, *args)


def replace(owner, name, here):
    """Let a method of PyTorch do something else for what is on the device."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def method(self, *args, **kwargs):
        chosen = here if self.device.type == NAME else original
        return chosen(self, *args, **kwargs)

    setattr(owner, name, method)


def move_storage(storage, device, non_blocking=False):
    """Copy a storage to a device, as `torch.load` does."""
    there = torch.device(device).type == NAME
    twin = getattr(storage, "twin", storage).clone()
    return store(twin) if there else twin


def autocast(op):
    """Serve an operator with its tensors in the lower precision of `torch.autocast`."""
    off = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def kernel(*args):
        dtype = torch.get_autocast_dtype(NAME)
        with torch._C._ExcludeDispatchKeyGuard(off):
            return op(*[part.to(dtype) if is_here(part) else part for part in args])

    return kernel


def extend_python_methods():
    """Do in Python what a backend in C++ does through an allocator and streams."""
    storage = torch.UntypedStorage
    replace(storage, "cpu", lambda self: self.twin.clone())
    replace(storage, "clone", lambda self: store(self.twin.clone()))
    original = torch.storage._to
    torch.storage._to = lambda self, device, non_blocking=False: (
        move_storage(self, device)
        if NAME in {self.device.type, torch.device(device).type}
        else original(self, device, non_blocking)
    )
    # As for MPS: what is printed is a copy on the CPU.
    shown = torch._tensor_str._tensor_str
    torch._tensor_str._tensor_str = lambda self, indent: shown(
        self.cpu() if is_here(self) else self, indent
    )
    torch.accelerator.synchronize = lambda device=None: None
    # `module.to(device)` keeps the identity of parameters, as it does on CUDA and MPS.
    torch.__future__.set_swap_module_params_on_conversion(True)
    swap = torch.utils.swap_tensors

    def take_over(old, new):
        if old.device == new.device:
            old.data = new.data
        else:
            swap(old, new)

    torch.utils.swap_tensors = take_over
    apply = torch.nn.Module._apply

    def apply_anyway(self, fn, recurse=True):
        try:
            return apply(self, fn, recurse)
        except RuntimeError as error:
            if "Couldn't swap" not in str(error):
                raise
        # A graph still holds on to a parameter: then it gets a successor, as on XLA.
        torch.__future__.set_swap_module_params_on_conversion(False)
        try:
            return apply(self, fn, recurse)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(True)

    torch.nn.Module._apply = apply_anyway


def register():
    """Register the device with PyTorch; called by ``import torch``."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, Module())
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(compute, "PrivateUse1")
    everything.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    aten = torch.library.Library("aten", "IMPL")
    kernels = {
        "aten::empty.memory_format": empty,
        "aten::empty_strided": empty_strided,
        "aten::resize_": resize,
        "aten::_copy_from": copy,
        "aten::_copy_from_and_resize": copy,
        "aten::_local_scalar_dense": lambda tensor: twin_of(tensor).item(),
        "aten::convolution_overrideable": convolution,
        "aten::convolution_backward_overrideable": convolution_backward,
    }
    for op in (
        ATEN.as_strided.default,
        ATEN.view.default,
        ATEN._reshape_alias.default,
        ATEN.unfold.default,
        ATEN.set_.source_Storage,
        ATEN.set_.source_Storage_storage_offset,
        ATEN.set_.source_Tensor,
    ):
        kernels[op.name()] = layout_kernel(op)
    # The fallback would serve these too, but in several slow steps each.
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    for name in torch._C._dispatch_get_all_op_names():
        if name.startswith("aten::_foreach_") or (
            name.startswith("aten::") and has_kernel(name, "CPU")
        ):
            packet, _, overload = name.removeprefix("aten::").partition(".")
            op = getattr(getattr(ATEN, packet), overload or "default")
            kernels.setdefault(name, functools.partial(compute, op))
    for name, kernel in kernels.items():
        aten.impl(name, kernel, "PrivateUse1")
    for op in (ATEN.linear, ATEN.matmul, ATEN.conv1d, ATEN.conv2d, ATEN.conv3d):
        aten.impl(op.default.name(), autocast(op.default), "AutocastPrivateUse1")
    registrations.extend([everything, aten])
    extend_python_methods()


def teach_fastai():
    """Have fastai find this device, as it finds a GPU: what it makes goes there."""
    from fastai import torch_core

    torch_core.default_device = lambda use=-1: torch.device(NAME, 0)


def teach_lightning():
    """Let Lightning's Trainer know the device, which it takes from a closed list."""
    from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
    from lightning.pytorch.strategies import SingleDeviceStrategy
    from lightning.pytorch.trainer.connectors import accelerator_connector

    class PretendAccelerator(Accelerator):
        def setup_device(self, device):
            assert device.type == NAME

        def get_device_stats(self, device):
            return {}

        def teardown(self):
            pass

        @staticmethod
        def parse_devices(devices):
            return [0]

        @staticmethod
        def get_parallel_devices(devices):
            return [torch.device(NAME, 0)]

        @staticmethod
        def auto_device_count():
            return 1

        @staticmethod
        def is_available():
            return True

        @staticmethod
        def name():
            return NAME

    AcceleratorRegistry.register(NAME, PretendAccelerator, description=NAME)
    connector = accelerator_connector._AcceleratorConnector
    choose = connector._choose_strategy

    def choose_strategy(self):
        if self._accelerator_flag == NAME:
            return SingleDeviceStrategy(device=torch.device(NAME, 0))
        return choose(self)

    connector._choose_strategy = choose_strategy
