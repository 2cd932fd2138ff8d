"""Pack arrays and files into bytes that depend on nothing but their content."""

import io
import lzma
import tarfile

import numpy as np


def idx(array):
    """Write bytes in the idx format: magic number, shape, values.

    Parameters
    ----------
    array : numpy.ndarray of uint8

    Returns
    -------
    bytes
    """
    magic = np.array([0x0800 + array.ndim, *array.shape], ">u4")
    return magic.tobytes() + array.tobytes()


def tar(files):
    """Pack files into a tar archive without times, owners or rights of this machine.

    Parameters
    ----------
    files : dict of str to bytes
        Content by path within the archive.

    Returns
    -------
    bytes
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def xz(content):
    """Compress bytes as well as xz can."""
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
