"""Two network devices with a link between them that delays and loses packets, for kernels without netem.

Each line of the input is "<delay in ms> <loss in percent>", both for the way from the first device to the second and back
in halves: the delay is half of the round trip, the loss is on the first way only.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_device(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def main():
    first, second = (open_device(name) for name in sys.argv[1:3])
    chance = random.Random(1)
    delay_s, loss, count = 0.0, 0.0, 0
    on_the_way = []
    print("ready", flush=True)
    poll = select.poll()
    for each in (first, second, 0):
        poll.register(each, select.POLLIN)
    while True:
        wait_ms = max(0.0, (on_the_way[0][0] - time.monotonic()) * 1000) if on_the_way else 1000
        for ready, _ in poll.poll(wait_ms):
            if ready == 0:
                line = os.read(0, 100).decode()
                if not line:
                    return
                delay_ms, loss_percent = line.split()
                delay_s, loss = float(delay_ms) / 2000, float(loss_percent) / 100
                continue
            packet = os.read(ready, 65536)
            if ready == first and chance.random() < loss:
                continue
            count += 1
            heapq.heappush(on_the_way, (time.monotonic() + delay_s, count, second if ready == first else first, packet))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(on_the_way)
            try:
                os.write(to, packet)
            except OSError:
                pass  # The device is not up yet.


main()
