"""Readers of the journal: durable consumers, listeners, and the documented message queue on top of them."""
