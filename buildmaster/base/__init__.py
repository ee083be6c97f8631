"""The lowest room: values, rules and small helpers that know nothing of the rest."""
