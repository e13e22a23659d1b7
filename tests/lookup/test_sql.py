# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipients in amavis' tables, in every database that is supported."""

from typing import Any

import pytest

from milterguard.config.lookup import Sql
from milterguard.config.settings import Local, Settings
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import Listing
from milterguard.core.policy import Policy
from milterguard.core.verdict import Judged
from milterguard.errors import ConfigError, StoreError
from milterguard.lookup.layer import SenderEntry
from milterguard.lookup.policies import Policies
from milterguard.lookup.sql import SqlSource
from tests.lookup.database import LOCAL, Database, amavis_database


@pytest.fixture
def database(database_url: str) -> Database:
    """amavis' tables in a database of each kind."""
    return amavis_database(database_url)


def judged(database: Database, address: str, sender: str = "", **settings: Any) -> Judged:
    """Return a recipient as a fresh source has him."""
    with database.source(**settings) as source:
        return Policies(Settings(local=LOCAL), (source,)).judged(address, (), Traffic.INBOUND, sender=sender)


_TAGS = (
    *("@.", "@.com", "@.example.com", "@.sub.example.com", "@sub.example.com", "user", "user+foo"),
    *("user@sub.example.com", "user+foo@sub.example.com"),
)


def test_the_closest_key_wins_among_equal_priorities(database: Database) -> None:
    """The keys are those that amavis asks SQL for: no @ behind a name, @ before a domain."""
    for tag in reversed(_TAGS):
        database.user(tag, spam_subject_tag2=tag)
    local = Local(domains=("sub.example.com",))
    expected = {
        "user+foo@sub.example.com": "user+foo@sub.example.com",
        "User+Foo@SUB.example.COM": "user+foo@sub.example.com",
        "user+bar@sub.example.com": "user@sub.example.com",
        "other@sub.example.com": "@sub.example.com",
        "other@deep.sub.example.com": "@.sub.example.com",
        "other@x.example.com": "@.example.com",
        "other@example.org": "@.",
        "user+foo@example.org": "@.",
        "": "@.",
        '"user"@sub.example.com': "user@sub.example.com",
        "o'user@sub.example.com": "@sub.example.com",
        "back\\slash@sub.example.com": "@sub.example.com",
        "nul\0l@sub.example.com": "@sub.example.com",
        "sur\udc80rogate@sub.example.com": "@sub.example.com",
        "grüße@sub.example.com": "@sub.example.com",
        "😀@sub.example.com": "@sub.example.com",
    }
    with database.source(local=local) as source:
        policies = Policies(Settings(local=local), (source,))
        found = {each: policies.judged(each, (), Traffic.INBOUND).policy.spam_subject_tag for each in expected}
    assert found == expected


def test_names_without_a_domain_are_asked_for_our_own_recipients(database: Database) -> None:
    """Between the address and its domain; nobody elsewhere is meant by them."""
    database.user("user", spam_subject_tag2="name")
    database.user("user+foo", spam_subject_tag2="name with extension")
    database.user("@example.com", spam_subject_tag2="domain")
    assert judged(database, "user@example.com").policy.spam_subject_tag == "name"
    assert judged(database, "user+foo@example.com").policy.spam_subject_tag == "name with extension"
    assert judged(database, "user@example.org").policy == Policy()


def test_priority_outdoes_closeness_and_null_goes_on(database: Database) -> None:
    """Of each column the first row with a value decides."""
    database.user("user@example.com", priority=7, spam_kill_level=3.0, virus_lover="Y", bad_header_lover=" ")
    database.user("@example.com", priority=9, spam_kill_level=5.0, bad_header_lover="Y", spam_tag3_level=None)
    database.user("@.", priority=0, spam_tag2_level=1.5, virus_lover="N")
    found = judged(database, "user@example.com")
    policy = found.policy
    assert (policy.spam_kill_level, policy.virus_lover, policy.spam_tag2_level) == (5.0, True, 1.5)
    assert policy.bad_header_lover
    origins = dict(found.origins)
    assert origins["spam_kill_level"] == 'SQL users.id 2 (@example.com), policy.id 2 "policy 2"'
    assert origins["virus_lover"] == 'SQL users.id 1 (user@example.com), policy.id 1 "policy 1"'


def test_columns_by_category_come_together(database: Database) -> None:
    """Each category from the closest row that says something about it."""
    database.user("@example.com", addr_extension_spam="junk", addr_extension_virus="virus", banned_rulenames="A, B")
    database.user("user@example.com", addr_extension_spam="spam", banned_rulenames="C", message_size_limit=1000)
    policy = judged(database, "user@example.com").policy
    assert dict(policy.addr_extension) == {Category.SPAM: "spam", Category.VIRUS: "virus"}
    assert policy.banned_rules == ("C", "A", "B", "DEFAULT")
    assert policy.message_size_limit == 1000


@pytest.mark.parametrize(
    ("email", "local", "address", "is_local"),
    [
        ("@example.org", None, "a@example.org", True),
        ("@.", None, "a@example.org", False),
        ("@.", "Y", "a@example.org", True),
        ("@.", None, "a@example.com", True),
        ("@example.com", "N", "a@example.com", False),
        ("@example.com", " ", "a@example.com", True),
    ],
)
def test_a_row_says_who_is_ours(database: Database, email: str, local: str, address: str, is_local: bool) -> None:
    """By its column, else by any key but the catch-all; where nothing is said local.domains holds."""
    database.user(email, local=local)
    assert judged(database, address).recipient.is_local is is_local


def test_a_value_that_cannot_be_read_costs_nothing_else(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, with table, id and column."""
    database.user("user@example.com", local="?", virus_lover="?", spam_lover="Y", spam_subject_tag2="a\nb")
    with database.source(fresh_seconds=0.0) as source:
        policies = Policies(Settings(local=LOCAL), (source,))
        for _ in range(2):
            found = policies.judged("user@example.com", (), Traffic.INBOUND)
    assert (found.policy.spam_lover, found.policy.virus_lover, found.recipient.is_local) == (True, False, True)
    assert sorted(caplog.messages) == [
        "SQL policy.id 1: spam_subject_tag2: expected one line of printable text; left out",
        "SQL policy.id 1: virus_lover: expected Y or N, found '?'; left out",
        "SQL users.id 1: local: expected Y or N, found '?'; left out",
    ]


def test_a_user_without_a_policy_is_a_user(database: Database) -> None:
    """His row says who is ours and leads to his list."""
    database.add("users", {"id": 3, "email": "@example.org", "policy_id": 99})
    found = judged(database, "user@example.org")
    assert found.recipient.is_local
    assert found.policy == Policy()


def test_lists_of_senders(database: Database) -> None:
    """The closest recipient's first, in each the highest priority; names without a domain for our own senders."""
    everybody, user = database.user("@."), database.user("user@example.com")
    database.sender(everybody, "bad@sender.example", "B")
    database.sender(user, "@.example", "W", priority=3)
    database.sender(user, "@sender.example", "-1.5", priority=5)
    database.sender(everybody, "root", "B")
    assert judged(database, "user@example.com", "bad@sender.example").listed.listing is Listing.ALLOWED
    assert judged(database, "user@example.com", "Bad@sender.example").listed.points == -1.5
    assert judged(database, "other@example.com", "bad@sender.example").listed.listing is Listing.DENIED
    assert judged(database, "other@example.com", "good@sender.example").listed.listing is None
    assert judged(database, "other@example.com", "root@example.com").listed.listing is Listing.DENIED
    assert judged(database, "other@example.com", "root@example.org").listed.listing is None


def test_the_null_sender_may_be_listed(database: Database) -> None:
    """Under "", @ or @."""
    user = database.user("@example.com")
    database.sender(user, "", "B")
    assert judged(database, "user@example.com", "").listed.listing is Listing.DENIED
    assert judged(database, "user@example.com", "a@b.example").listed.listing is None


def test_a_recipient_and_his_list_are_one_question(database: Database) -> None:
    """Another sender is another one, unless the recipient has no list; warm there is none."""
    with_list, without = database.user("user@example.com"), database.user("other@example.com")
    database.sender(with_list, "bad@sender.example", "B")
    assert without == 2
    with database.source() as source:
        policies = Policies(Settings(local=LOCAL), (source,))
        for sender, count in (("bad@sender.example", 2), ("bad@sender.example", 2), ("x@sender.example", 3)):
            for address in ("user@example.com", "other@example.com"):
                policies.judged(address, (), Traffic.INBOUND, sender=sender)
            assert len(database.statements) == count, sender


def test_authors_are_asked_about_once_for_all_recipients(database: Database) -> None:
    """Each recipient hears what his own list says."""
    addresses = [f"user{number}@example.com" for number in range(3)]
    rids = [database.user(address) for address in addresses]
    database.sender(rids[1], "author@sender.example", "B")
    database.sender(rids[0], "@.", "2.5", priority=1)
    database.sender(rids[2], "bounce@sender.example", "3")
    with database.source() as source:
        policies = Policies(Settings(local=LOCAL), (source,))
        sender = "bounce@sender.example"
        all_judged = [policies.judged(each, (), Traffic.INBOUND, sender=sender) for each in addresses]
        known = policies.with_authors(all_judged, sender=sender, authors=["author@sender.example"])
        assert len(database.statements) == 4
        policies.with_authors(all_judged, sender=sender, authors=["author@sender.example"])
        assert len(database.statements) == 4
    assert [each.listed.listing for each in known] == [None, Listing.DENIED, None]
    assert [each.listed.points for each in known] == [2.5, None, 3.0]


def test_a_source_reads_only(database: Database) -> None:
    """Whatever its statements say."""
    database.user("user@example.com")
    with database.source() as source:
        (engine,) = source._engines.values()
        with pytest.raises(Exception, match=r"(?i)read.?only"), engine.connect() as connection:
            connection.exec_driver_sql("DELETE FROM users")


def test_a_missing_file_is_not_made(tmp_path: Any) -> None:
    """It would have no tables, and belong to whoever asked first."""
    source = SqlSource(Sql(urls=(f"sqlite:///{tmp_path}/missing.db",)), LOCAL)
    with pytest.raises(StoreError, match="unable to open"):
        source.layers("user@example.com", sender="", is_local=True)
    assert not (tmp_path / "missing.db").exists()
    source.close()


def test_nobody_is_asked_about_nobody(database: Database) -> None:
    """Without a list there is no question."""
    with database.source() as source:
        assert source.entries([], ["a@b.example"]) == ()
        assert source.entries([1], []) == ()
    assert database.statements == []


@pytest.mark.parametrize("url", ["oracle://user:geheim@host/db", "sqlite+nosuch:////x.db", "postgresql+psycopg"])
def test_a_useless_address_is_a_config_error(url: str) -> None:
    """It is not repeated: it may hold a password."""
    with pytest.raises(ConfigError, match=r"\[lookup\.sql\]: urls: expected") as caught:
        SqlSource(Sql(urls=(url,)), LOCAL)
    assert url not in str(caught.value)


CUSTOM = """
    SELECT mailbox.id AS id, address AS email, 'Y' AS local, kill_at AS spam_kill_level, scripts AS banned_rules,
           wants_spam AS spam_lover, subject_tag
    FROM mailbox WHERE address IN (%k) ORDER BY LENGTH(address) DESC
"""
SENDERS = """
    SELECT mailbox AS rid, sender AS email, verdict AS wb FROM friend WHERE mailbox IN (%r) AND sender IN (%k)
"""


def _own_tables(url: str) -> Database:
    database = Database(url)
    database.execute(
        "CREATE TABLE mailbox (id INT, address VARCHAR(100), kill_at DECIMAL(5,2), scripts VARCHAR(100),"
        " wants_spam INT, subject_tag VARCHAR(100))",
        "CREATE TABLE friend (mailbox INT, sender VARCHAR(100), verdict VARCHAR(10))",
        "INSERT INTO mailbox VALUES (1, 'user@example.org', 4.25, 'NO_MACROS, DEFAULT', 1, '{ virus = \"[!] \" }')",
        "INSERT INTO mailbox VALUES (2, '@example.org', 9, NULL, 0, NULL)",
        "INSERT INTO mailbox VALUES (3, 'broken@example.org', 1, NULL, 7, '{')",
        "INSERT INTO friend VALUES (1, '@sender.example', 'W')",
    )
    return database


def test_a_select_of_the_operator(database_url: str) -> None:
    """Its columns have amavis' names or ours; its rows hold in its own order."""
    database = _own_tables(database_url)
    settings = {"recipient_select": CUSTOM, "sender_select": SENDERS}
    found = judged(database, "user@example.org", "a@sender.example", **settings)
    assert found.policy.spam_kill_level == 4.25
    assert found.policy.banned_rules == ("NO_MACROS", "DEFAULT")
    assert found.policy.spam_lover
    assert dict(found.policy.subject_tag) == {Category.VIRUS: "[!] "}
    assert found.recipient.is_local
    assert found.listed.listing is Listing.ALLOWED
    assert dict(found.origins)["spam_lover"].startswith("SQL recipient_select id 1 (user@example.org)")


def test_values_of_our_own_keys_that_cannot_be_read(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Are told as those of amavis' columns are."""
    found = judged(_own_tables(database_url), "broken@example.org", recipient_select=CUSTOM)
    assert found.policy.spam_kill_level == 1
    assert not found.policy.spam_lover
    assert sorted(caplog.messages) == [
        "SQL recipient_select id 3 (broken@example.org): spam_lover: expected Y or N, found '7'; left out",
        (
            "SQL recipient_select id 3 (broken@example.org): subject_tag: expected a table such as "
            '{ spam = "…" }, found "{"; left out'
        ),
    ]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("%a", "User+Foo@Example.ORG"),
        ("%l", "User+Foo"),
        ("%u", "user"),
        ("%e", "+foo"),
        ("%d", "example.org"),
        ("CONCAT_OR(%u, '%%', %e)", "user%+foo"),
    ],
)
def test_places_of_a_select(database_url: str, place: str, value: str) -> None:
    """Each stands for its part of the address; a doubled percent sign is one."""
    select = f"SELECT {_joined(place, database_url)} AS spam_subject_tag2"
    database = Database(database_url)
    database.execute("CREATE TABLE needed (to_make INT)")
    found = judged(database, "User+Foo@Example.ORG", recipient_select=select)
    assert found.policy.spam_subject_tag == value


def _joined(place: str, url: str) -> str:
    if not place.startswith("CONCAT_OR"):
        return place if url.startswith(("sqlite", "mysql")) else f"CAST({place} AS VARCHAR(100))"
    parts = place.removeprefix("CONCAT_OR(").removesuffix(")").split(", ")
    return (
        f"CONCAT({', '.join(parts)})"
        if url.startswith("mysql")
        else " || ".join(f"CAST({each} AS VARCHAR(100))" for each in parts)
    )


def test_a_select_for_locality_alone(database_url: str) -> None:
    """A row says yes, none says nothing."""
    database = Database(database_url)
    database.execute("CREATE TABLE domains (name VARCHAR(100))", "INSERT INTO domains VALUES ('example.org')")
    select = "SELECT 1 FROM domains WHERE name = %d"
    empty = "SELECT 'Y' AS virus_lover FROM domains WHERE name = %a"
    found = [
        judged(database, address, recipient_select=empty, local_select=select).recipient.is_local
        for address in ("a@example.org", "a@example.com", "a@example.net", "back\\slash@example.org")
    ]
    assert found == [True, True, False, True]


def test_entries_of_equal_priority_are_the_closest_first(database: Database) -> None:
    """As rows of recipients are."""
    user = database.user("user@example.com")
    for key in ("@.", "@.example", "a@sender.example", "@sender.example"):
        database.sender(user, key, "1")
    with database.source() as source:
        entries = source.entries([user], ["a@sender.example"])
    assert [entry.key for entry in entries] == ["a@sender.example", "@sender.example", "@.example", "@."]
    assert entries[0] == SenderEntry(user, "a@sender.example", 7, "1")


AMAVIS = {
    "postgresql": ("serial PRIMARY KEY", "bytea"),
    "mysql": ("int unsigned AUTO_INCREMENT PRIMARY KEY", "varbinary(255)"),
    "sqlite": ("integer PRIMARY KEY", "varchar(255)"),
}
"""Types of ids and addresses in README.sql-pg, README.sql-mysql and README.sql."""


def test_tables_as_amavis_documents_them(database_url: str) -> None:
    """Addresses are octets there, flags are padded with blanks, and older tables lack columns."""
    number, octets = AMAVIS[database_url.partition(":")[0].partition("+")[0]]
    database = Database(database_url)
    database.execute(
        f"CREATE TABLE users (id {number}, priority int NOT NULL, policy_id int NOT NULL, email {octets} UNIQUE,"
        " fullname varchar(255))",
        f"CREATE TABLE mailaddr (id {number}, priority int NOT NULL, email {octets} UNIQUE)",
        "CREATE TABLE wblist (rid int NOT NULL, sid int NOT NULL, wb varchar(10), PRIMARY KEY (rid, sid))",
        f"CREATE TABLE policy (id {number}, policy_name varchar(32), virus_lover char(1), spam_lover char(1),"
        " spam_kill_level float, spam_subject_tag2 varchar(64), addr_extension_spam varchar(64))",
        "INSERT INTO policy VALUES (1, 'Normal', ' ', 'Y', 6.5, '*** ', 'junk   ')",
        "INSERT INTO users VALUES (1, 9, 1, 'user@example.org', 'A user')",
        "INSERT INTO mailaddr VALUES (1, 5, '@.sender.example')",
        "INSERT INTO wblist VALUES (1, 1, 'b')",
    )
    found = judged(database, "User@Example.org", "x@sender.example")
    assert found.recipient.is_local
    assert (found.policy.spam_lover, found.policy.virus_lover) == (True, False)
    assert (found.policy.spam_kill_level, found.policy.spam_subject_tag) == (6.5, "*** ")
    assert dict(found.policy.addr_extension) == {Category.SPAM: "junk"}
    assert found.listed.listing is Listing.DENIED
    for address in (
        "back\\slash@example.org",
        "quo'te@example.org",
        "grüße@example.org",
        "%s@example.org",
        ":p_k0@x.y",
    ):
        assert not judged(database, address).recipient.is_local
