"""Owns Kubernetes: Leases that share the work among replicas. With one Lease this is leader election.

kubernetes   Leases over the API server, by compare-and-swap
seats        at most one Lease for this process, renewed, given back; all others followed
"""

from aicore_sync.lease.kubernetes import KubernetesLeases, in_kubernetes
from aicore_sync.lease.seats import Clocks, SeatOptions, Seats

__all__ = ["Clocks", "KubernetesLeases", "SeatOptions", "Seats", "in_kubernetes"]
