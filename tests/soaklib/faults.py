"""What goes wrong every few seconds: the process, the provider, the disk."""

from __future__ import annotations

import collections
import pathlib
import random
import time
from typing import List, Tuple

from .daemon import Daemon
from .provider import Provider


class Faults:
    """Injects one fault after another; each is over when it returns."""

    def __init__(self, daemon: Daemon, provider: Provider, disk: pathlib.Path) -> None:
        self.daemon, self.provider, self.disk = daemon, provider, disk
        self.counts = collections.Counter()
        # Each with when it began, newest last.
        self.history: List[Tuple[float, str]] = []
        self.kinds = {
            "kill -9": (6, self._kill),
            "orderly restart": (1, self._restart),
            "daemon frozen": (1, self._freeze),
            "provider away": (2, self._provider_away),
            "provider frozen": (1, self._provider_frozen),
            "disk full": (2, self._disk_full),
        }

    def inject_one(self) -> None:
        names = list(self.kinds)
        weights = [self.kinds[name][0] for name in names]
        name = random.choices(names, weights)[0]
        self.history.append((time.monotonic(), name))
        self.kinds[name][1]()
        self.counts[name] += 1

    def _kill(self) -> None:
        self.daemon.kill()
        self.daemon.start()

    def _restart(self) -> None:
        self.daemon.stop()
        self.daemon.start()

    def _freeze(self) -> None:
        self.daemon.freeze(random.uniform(0.2, 3))

    def _provider_away(self) -> None:
        self.provider.away_until = time.monotonic() + random.uniform(0.1, 4)

    def _provider_frozen(self) -> None:
        # One that is frozen already thaws no sooner: a request of a daemon that was
        # killed would be held beyond those of the next one, and spend a token again.
        until = time.monotonic() + random.uniform(1, 8)
        self.provider.frozen_until = max(self.provider.frozen_until, until)

    def _disk_full(self) -> None:
        filler = self.disk / "filler"
        try:
            with open(filler, "wb", buffering=0) as file:
                for size in (65536, 4096, 512):
                    while True:
                        file.write(b"\0" * size)
        except OSError:
            pass
        time.sleep(random.uniform(1, 4))
        # Half of the time a kill comes while nothing can be written.
        if random.random() < 0.5:
            self.daemon.kill()
            filler.unlink()
            self.daemon.start()
        else:
            filler.unlink()
