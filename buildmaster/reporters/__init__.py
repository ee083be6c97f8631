"""Reporters: they tell people and other systems what happened, see :mod:`.base` and :mod:`buildmaster.mq.outbox`."""
