"""Documented address: subscriptions inside one process."""

from buildmaster.base.subscription import Subscription, SubscriptionPoint

__all__ = [
    "Subscription",
    "SubscriptionPoint",
]
