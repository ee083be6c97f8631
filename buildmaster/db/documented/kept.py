"""The documented connectors for what is kept: state of objects, tags, users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.db import state, users
from buildmaster.db.documented.base import DBConnectorComponent
from buildmaster.db.documented.models import UserModel
from buildmaster.db.txn import Txn

MISSING: Any = object()
TAG_CLASS = "buildbot.db.tags.Tag"


class StateConnectorComponent(DBConnectorComponent):
    """``master.db.state``: values that JSON can hold, by object and name."""

    @deferred
    async def getObjectId(self, name: str, class_name: str) -> int:
        """The id of an object, stored at its first mention."""
        return await self.db.write(state.object_id, name, class_name)

    @deferred
    async def getState(self, objectid: int, name: str, default: Any = MISSING) -> Any:
        """A stored value; the default if there is none, without one KeyError."""
        return await self.db.read(state.get, objectid, name, *(() if default is MISSING else (default,)))

    @deferred
    async def setState(self, objectid: int, name: str, value: Any) -> None:
        """Store a value; raises TypeError if JSON can't hold it."""
        await self.db.write(state.put, objectid, name, value)

    @deferred
    async def atomicCreateState(self, objectid: int, name: str, thd_create_callback: Callable[[], Any]) -> Any:
        """The stored value; if there is none, the callback's, which is called in the writing thread and stored."""
        return await self.db.write(_create_state, objectid, name, thd_create_callback)


def _create_state(txn: Txn, objectid: int, name: str, make: Callable[[], Any]) -> Any:
    try:
        return state.get_in(txn, objectid, name)
    except KeyError:
        return state.create(txn, objectid, name, make())


class TagsConnectorComponent(DBConnectorComponent):
    """``master.db.tags``."""

    @deferred
    async def findTagId(self, name: str) -> int:
        """A number for a tag, always the same."""
        return await self.db.write(state.object_id, name, TAG_CLASS)


class UsersConnectorComponent(DBConnectorComponent):
    """``master.db.users``: the people behind changes, and those who may log in."""

    @deferred
    async def findUserByAttr(self, identifier: str, attr_type: str, attr_data: str) -> int:
        """The id of the user with this attribute, who is stored under the identifier if there is none."""
        return await self.db.write(users.find_by_attribute, identifier, attr_type, attr_data)

    @deferred
    async def getUser(self, uid: int) -> UserModel | None:
        """The user with this id and all attributes, or None."""
        return _user(await self.db.read(users.get, uid))

    @deferred
    async def getUserByUsername(self, username: str) -> UserModel | None:
        """The user who logs in by this name, or None."""
        return _user(await self.db.read(users.get_by_username, username))

    @deferred
    async def getUsers(self) -> list[UserModel]:
        """All users, without their attributes."""
        return [UserModel(**found) for found in await self.db.read(users.get_all)]

    @deferred
    async def identifierToUid(self, identifier: str) -> int | None:
        """The id of the user with this identifier, or None."""
        return await self.db.read(users.identifier_to_uid, identifier)

    @deferred
    async def updateUser(
        self,
        uid: int | None = None,
        identifier: str | None = None,
        bb_username: str | None = None,
        bb_password: str | None = None,
        attr_type: str | None = None,
        attr_data: str | None = None,
    ) -> None:
        """Change what is given of a user: user name and password together, an attribute's type and data together.

        Raises :class:`~buildmaster.db.users.UserTaken` if another user has the identifier or user name.
        """
        if uid is None:
            raise TypeError("updateUser: uid is missing")
        if (bb_username is None) != (bb_password is None) or (attr_type is None) != (attr_data is None):
            raise TypeError("updateUser: bb_username and bb_password, and attr_type and attr_data, go together")
        attributes = None if attr_type is None or attr_data is None else {attr_type: attr_data}
        await self.db.write(users.update, uid, identifier, bb_username, bb_password, attributes)

    @deferred
    async def removeUser(self, uid: int) -> None:
        """Delete a user; changes keep their authors."""
        await self.db.write(users.remove, uid)


def _user(found: dict[str, Any] | None) -> UserModel | None:
    if found is None:
        return None
    own = {name: found.pop(name) for name in ("uid", "identifier", "bb_username", "bb_password")}
    return UserModel(**own, attributes=found)
