"""A real OpenLDAP server with a small company in it."""

from __future__ import annotations

import base64
import socket
import subprocess
from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + b"a small picture"
ADMIN, PASSWORD = "cn=admin,dc=example,dc=org", "s3cret"

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {path}/pid
database mdb
suffix "dc=example,dc=org"
rootdn "{admin}"
rootpw {password}
directory {path}/db
access to * by * none
"""

COMPANY = """
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada Lovelace
sn: Lovelace
mail: ada@example.org
mail: countess@example.org
telephoneNumber: 123
jpegPhoto:: {png}

dn: cn=O*Neil (Bob),ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: O*Neil (Bob)
sn: O*Neil
mail: bob@example.org
jpegPhoto:: {text}

dn: cn=hackers,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: hackers
member: uid=ada,ou=people,dc=example,dc=org
member: cn=O*Neil (Bob),ou=people,dc=example,dc=org

dn: cn=countesses,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: countesses
member: uid=ada,ou=people,dc=example,dc=org
"""


class Slapd:
    """The server, once it takes connections at ``uri``; every search needs a login."""

    def __init__(self, slapd: str, slapadd: str, path: Path) -> None:
        (path / "db").mkdir(parents=True)
        configuration, company = path / "slapd.conf", path / "company.ldif"
        configuration.write_text(CONFIGURATION.format(path=path, admin=ADMIN, password=PASSWORD))
        pictures = {"png": base64.b64encode(PNG).decode(), "text": base64.b64encode(b"<script>").decode()}
        company.write_text(COMPANY.format(**pictures).lstrip())
        subprocess.run([slapadd, "-f", configuration, "-l", company], check=True, capture_output=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.uri = f"ldap://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [slapd, "-f", configuration, "-h", self.uri, "-d", "stats"], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "slapd starting" in line:
                return
        raise AssertionError("slapd did not start")

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.communicate()
