# What milterguard and its tests use of python-ldap, which carries no types.
from ldap.ldapobject import SimpleLDAPObject

class LDAPError(Exception): ...
class CONNECT_ERROR(LDAPError): ...
class FILTER_ERROR(LDAPError): ...
class NO_SUCH_OBJECT(LDAPError): ...
class SERVER_DOWN(LDAPError): ...
class SIZELIMIT_EXCEEDED(LDAPError): ...
class TIMEOUT(LDAPError): ...

MOD_REPLACE: int
OPT_CONNECT_ASYNC: int
OPT_NETWORK_TIMEOUT: int
OPT_PROTOCOL_VERSION: int
OPT_REFERRALS: int
OPT_TIMEOUT: int
OPT_X_TLS_CACERTFILE: int
OPT_X_TLS_DEMAND: int
OPT_X_TLS_NEWCTX: int
OPT_X_TLS_PROTOCOL_MIN: int
OPT_X_TLS_PROTOCOL_TLS1_2: int
OPT_X_TLS_REQUIRE_CERT: int
SCOPE_BASE: int
SCOPE_ONELEVEL: int
SCOPE_SUBTREE: int

def initialize(uri: str) -> SimpleLDAPObject: ...
