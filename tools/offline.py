"""Run a command where there is no network but loopback: ``make offline``.

    python tools/offline.py COMMAND...

The command gets a network namespace of its own (Linux, unshare of util-linux). Where
the system refuses one, nothing is run, and the exit status is 3.
"""

import errno
import os
import socket
import struct
import subprocess
import sys

# As root; else as a user who is root inside a user namespace only.
WAYS = (["unshare", "--net"], ["unshare", "--net", "--map-root-user"])
REFUSED = 3


def find_way():
    """Return the first command prefix that this system allows, or None."""
    for way in WAYS:
        try:
            if subprocess.run([*way, "true"], capture_output=True).returncode == 0:
                return way
        except FileNotFoundError:
            break
    return None


def raise_loopback():
    """Bring the loopback interface up: a new namespace has it down."""
    import fcntl  # which Windows lacks, where `find_way` has already said no

    set_flags, up = 0x8914, 0x1  # SIOCSIFFLAGS and IFF_UP of linux/sockios.h
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up))


def check_cut():
    """Make sure that no address outside can be reached; nothing is sent."""
    outside = ("192.0.2.1", 9)  # reserved for documentation
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        if any_socket.connect_ex(outside) != errno.ENETUNREACH:
            sys.exit("the network is not cut: there is a route to outside")


def main(arguments):
    """Enter a namespace, then become the command."""
    if arguments[:1] == ["--inside"]:
        raise_loopback()
        check_cut()
        os.execvp(arguments[1], arguments[1:])
    if not arguments:
        sys.exit(__doc__)
    way = find_way()
    if way is None:
        print(
            "No network namespace can be made here (it takes Linux, util-linux, and "
            "root or unprivileged user namespaces): nothing was run.",
            file=sys.stderr,
        )
        sys.exit(REFUSED)
    os.execvp(way[0], [*way, sys.executable, __file__, "--inside", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
