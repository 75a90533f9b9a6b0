"""Why a tenant, or a whole host, runs no further."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class StopKind(Enum):
    """Whether the end was meant."""

    ENDED_WELL = "ended-well"
    GUEST_FAILURE = "guest-failure"


@dataclass(frozen=True, slots=True)
class StopReason:
    """One clear sentence about an end.

    Attributes:
        kind: Whether it was meant.
        tenant: Who ended; the host's name when all have.
        text: The sentence, without a full stop.
    """

    kind: StopKind
    tenant: str
    text: str

    def __str__(self) -> str:
        """The sentence."""
        return self.text


def switched_off(tenant: str, how: str, *, failed: bool) -> StopReason:
    """The end of a tenant whose guest ended its run through a port."""
    return StopReason(StopKind.GUEST_FAILURE if failed else StopKind.ENDED_WELL, tenant, f"{tenant} {how}")


def together(host: str, reasons: tuple[StopReason, ...]) -> StopReason:
    """The end of a host whose tenants have all ended: a failure if one of them failed."""
    failed = any(reason.kind is StopKind.GUEST_FAILURE for reason in reasons)
    kind = StopKind.GUEST_FAILURE if failed else StopKind.ENDED_WELL
    return StopReason(kind, host, "; ".join(reason.text for reason in reasons))
