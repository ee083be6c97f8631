"""Whose turn it is: of several masters with the same reporter or storage of statistics one tells, the others wait.

The holder is kept as a value of an object of the name under which the reporter keeps its place; one that does not
live any more holds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from buildmaster.db import journal, schema, state
from buildmaster.db.txn import Txn

_state, _masters = schema.object_state, schema.masters
CLASS_NAME = "buildmaster.reporters.delivery.Outbox"  # where it lay first: it is stored
_HOLDER = "holder"


def take(txn: Txn, name: str, masterid: int) -> bool:
    """Have the turn from now on, if nobody has it who lives; says whether this master has it now."""
    objectid = state.object_id(txn, name, CLASS_NAME)
    txn.flush()
    where = (_state.c.objectid == objectid, _state.c.name == _HOLDER)
    found = txn.execute(sa.select(_state.c.value_json).where(*where), touches=(_state,)).scalar()
    mine = msgspec.json.encode(masterid).decode()
    if found is None:
        txn.insert(_state, objectid=objectid, name=_HOLDER, value_json=mine)
        return True
    if found == mine:
        return True
    holder = msgspec.json.decode(found)
    lives = sa.select(_masters.c.id).where(_masters.c.id == holder, _masters.c.active == 1)
    if holder is not None and txn.execute(lives, touches=()).scalar() is not None:
        return False
    taken = sa.update(_state).where(*where, _state.c.value_json == found).values(value_json=mine)
    return txn.execute(taken, touches=(_state,)).rowcount == 1


def forget(txn: Txn, names: Sequence[str], masterid: int) -> None:
    """Give back the turns and drop the places of those that this master had the turn for; others are left alone."""
    mine = msgspec.json.encode(masterid).decode()
    gone = []
    for name in names:
        objectid = state.object_id(txn, name, CLASS_NAME)
        txn.flush()
        where = (_state.c.objectid == objectid, _state.c.name == _HOLDER, _state.c.value_json == mine)
        if txn.execute(sa.delete(_state).where(*where), touches=(_state,)).rowcount:
            gone.append(name)
    journal.drop_cursors(txn, gone)
