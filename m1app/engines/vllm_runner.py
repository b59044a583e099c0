"""The managed vLLM as it runs: started, replaced, taken over, stopped. What is started is in `managed_vllm`."""

import threading

from m1app.engines.managed_vllm import ManagedVllm
from models.engine.endpoint import Endpoint
from models.errors import ServerGone
from models.servers.managed_server import ManagedServer


class VllmRunner:
    """At most one vLLM server. Every method blocks, and may be called from any thread."""

    def __init__(self, vllm: ManagedVllm) -> None:
        self._vllm = vllm
        self._lock = threading.RLock()
        self.server: ManagedServer | None = None
        """As it was started last; None if it was not."""

    @property
    def hardware(self) -> str:
        """Where it runs, in words; empty if it was not started."""
        return self.server.status().hardware if self.server else ""

    def start(self, *, may_ask_hub: bool = False) -> ManagedServer:
        """Start a server with the options as they are now, in place of one that runs.

        Raises:
            ServerError: it is not installed, or cannot fit; one that runs goes on.
        """
        with self._lock:
            earlier = self.server
            # Also one that has no process yet, or waits to be started again after a crash: it would have one soon.
            is_running = earlier is not None and earlier.is_active
            server = self._vllm.make(may_ask_hub=may_ask_hub, is_running=is_running)
            if earlier is not None and is_running:
                earlier.stop()
            self.server = server
            server.start()
            return server

    def stop(self) -> None:
        """Stop it, also one that an earlier start has kept; raises ServerRefused if another process uses that."""
        with self._lock:
            if self.server is not None:
                self.server.stop()
            self._vllm.end_kept()

    def take_over(self) -> None:
        """Run the server that an earlier start has kept, if it is to be kept now; raises ServerError."""
        with self._lock:
            if self.server is None and self._vllm.options().is_kept and self._vllm.kept.read() is not None:
                self.start()

    def endpoint(self) -> Endpoint:
        """Where it is asked; raises ServerError."""
        if self.server is None:
            raise ServerGone("vLLM is not running. Start it on the Admin page, on the Models tab.")
        return self.server.endpoint()

    def leave(self) -> None:
        """Stop it, unless it is kept."""
        with self._lock:
            if self.server is not None:
                self.server.leave()
