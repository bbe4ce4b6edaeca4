"""The peers that are compared. A peer is a module with `build(workload)`, which returns a step, or None if not implemented."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """A row of the table: its title, its module, and the distribution that it needs."""

    title: str
    module: str
    needs: str


PEERS: dict[str, Peer] = {
    "ours": Peer("autograd_mini", "peers.ours", "numpy"),
    "jit": Peer("autograd_mini, jit", "peers.compiled", "threadpoolctl"),
    "c": Peer("autograd_mini, jit, loops in C", "peers.loops", "threadpoolctl"),
    "tuned": Peer("autograd_mini, threads and memory kept", "peers.tuned", "threadpoolctl"),
    "torch": Peer("PyTorch", "peers.pytorch", "torch"),
    "jax": Peer("jax.jit", "peers.jax_jit", "jax"),
    "numpy": Peer("NumPy by hand", "peers.by_hand", "numpy"),
}
