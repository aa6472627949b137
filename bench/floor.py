"""What a server cannot do without: the cost of one `send` of a small frame to one receiver, measured like the servers.

Run as a program it is the sender; see `send_floor`.
"""

import select
import socket
import subprocess
import sys
import time

from bench.machine import Cores

_RECEIVERS = 100
_ROUNDS = 500
_ROUNDS_PER_SECOND = 100.0
_FRAME_BYTES = 24


def send_floor(cores: Cores) -> float:
    """Microseconds of CPU for each of 50,000 sends, at 10,000 a second, from the server's core to this one."""
    sender = subprocess.Popen(
        ("taskset", "--cpu-list", str(cores.server), sys.executable, "-m", "bench.floor"),
        stdout=subprocess.PIPE,
        text=True,
    )
    with sender:
        assert sender.stdout is not None
        port = int(sender.stdout.readline())
        _drain(port)
        return float(sender.stdout.readline())


def _drain(port: int) -> None:
    sockets = {}
    epoll = select.epoll()
    for _ in range(_RECEIVERS):
        receiver = socket.create_connection(("127.0.0.1", port))
        sockets[receiver.fileno()] = receiver
        epoll.register(receiver, select.EPOLLIN)
    while sockets:
        for descriptor, _ in epoll.poll():
            if not sockets[descriptor].recv(65_536):
                epoll.unregister(descriptor)
                sockets.pop(descriptor).close()


def _send() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=_RECEIVERS) as listener:
        print(listener.getsockname()[1], flush=True)
        receivers = [listener.accept()[0] for _ in range(_RECEIVERS)]
    frame = bytes(_FRAME_BYTES)
    used, start = time.process_time(), time.perf_counter()
    for turn in range(_ROUNDS):
        time.sleep(max(0.0, start + turn / _ROUNDS_PER_SECOND - time.perf_counter()))
        for receiver in receivers:
            receiver.send(frame)
    print((time.process_time() - used) / (_ROUNDS * _RECEIVERS) * 1e6, flush=True)
    for receiver in receivers:
        receiver.close()


if __name__ == "__main__":
    _send()
