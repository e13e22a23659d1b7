# SPDX-License-Identifier: GPL-3.0-or-later
"""What the manual of the settings says beside the tables that are made from their metadata."""

REFERENCE_HEAD = """\
# Settings

<!-- Generated from milterguard/config/settings.py and milterguard/core/policy.py by `make generate`. -->

milterguard reads `/etc/milterguard/milterguard.toml`, or the file that `--config` or `MILTERGUARD_CONFIG` names, then
`conf.d/*.toml` beside it in lexical order, then the environment. What comes later wins, key by key.

- An environment variable is named after section and key: `MILTERGUARD_CHECKS_CLAMD_SOCKETS` is `sockets` in
  `[checks.clamd]`. Its value is written as in TOML; text needs no quotes and a list may be written with commas. With
  `_FILE` behind the name it is the name of a file that holds the value: for secrets.
- Unknown keys, values of the wrong type and settings that contradict each other are errors that name file, key, what
  was expected and what was found; the exit status is 78.
- A unit stands at the end of a name: `_seconds`, `_bytes`.
- `milterguard config show` prints the value and the origin of each setting.
"""
REFERENCE_BANK = """\
## [bank.NAME]

A policy bank: keys of `[policy]` for all recipients of some messages. Banks are laid over `[policy]` in the order in
which they stand in the files, `[[recipient]]` and `[[table]]` over them. The log line names those that hold, as `A/B`
before the client; so does `milterguard explain`, and `milterguard policy show` tells what they change for a recipient.
A bank in a later file replaces one of the same name.

`when` must be there. All that it says must be so of a message; of several values in one key, one:

| Key | Holds for |
|---|---|
| `network` | clients with an address in it: `192.0.2.0/24`, `!192.0.2.7`, `file:/PATH`; the first decides |
| `authenticated` | clients that logged in (`true`), or did not (`false`) |
| `tls` | connections with TLS, or in clear |
| `daemon` | a listener of the MTA, by its name (macro `{daemon_name}`) |
| `socket` | one of our own sockets, as `server.listen` has it: give each listener of the MTA its own |
| `certificate` | the subject of a client certificate that the MTA has verified (`{cert_subject}`, the CN) |
| `certificate_issuer` | who signed it (`{cert_issuer}`) |
| `helo` | what the client said: `mx.example.com`, `.example.com` (with subdomains), `!`, `/expression/`, `file:/PATH` |
| `sender` | the envelope sender, written like `match` of `[[recipient]]`; `<>` is the null sender |
| `traffic` | `inbound`, `originating` or `local` |
| `aligned_author` | the author in From, whom SPF or DKIM proves; written like `sender` |
| `dkim_author` | the author in From, whom a DKIM signature proves |
| `dkim_signer` | the domain (`d=`) of a DKIM signature that holds |

The last three are known once the message is there, and so change neither what is asked of it nor what was decided at
RCPT ([authentication.md](authentication.md)).

`originating = true` beside `when` makes mail of that bank mail of ours, as a network in `local.networks` or a login
does; `false` takes that from it. A bank that is chosen by `traffic` is chosen by what the mail is with that.

Mail that did not come by SMTP (`sendmail`, Postfix' `non_smtpd_milters`) always has the bank `NON_SMTPD`, which turns
every refusal into a discard with a copy: there is no client to tell. `[bank.NON_SMTPD]`, without `when`, may say more.

What adds up (`banned_rules`, lists of senders) begins anew with a bank; entries of `[[recipient]]` add to the bank's.

```toml
[bank.SUBMISSION]
when = { authenticated = true }
spam_destiny = "pass"

[bank.PARTNERS]
when = { network = ["192.0.2.0/24", "2001:db8::/32"], sender = "@partner.example" }
unchecked_destiny = "pass"
spam_kill_level = 12.0
```

"""
REFERENCE_RECIPIENT = """\
## [[recipient]]

What holds for one recipient, domain or list of them, laid over `[policy]`. The table may stand as often as needed, in
any file.

`match` is an array of `user@example.com`, `@example.com` (that domain only), `@.example.com` (with its subdomains),
`user@` (in any domain), `@.` (everybody), `/expression/` and `file:/PATH`; `!` before one makes an exception. Case does
not matter, and an internationalised domain may be written either way. [lookup.md](lookup.md) has examples of all.
For `User+Foo@Sub.Example.COM` these are looked up, and for each key the first entry that says something decides,
whatever the order in the files; expressions are asked after all of them but `@.`:

"""
RECIPIENT_ORDER = (
    "user+foo@sub.example.com",
    "user@sub.example.com",
    "user+foo@",
    "user@",
    "@sub.example.com",
    "@.sub.example.com",
    "@.example.com",
    "@.com",
    "@.",
)

REFERENCE_TABLE = """\

## [[table]]

Values of one setting for many recipients. Tables are asked in the order of the files, before `[[recipient]]` and behind
SQL and LDAP. `setting` is a policy key that may stand in `[[recipient]]`; beside it stands one of these
([lookup.md](lookup.md) has an example of each):

| Key | What it is | Which of it decides |
|---|---|---|
| `hash` | a table of recipients, written like `match`, and values | the closest key |
| `list` | for what is true or false: an array like `match` | the first that matches: true, with `!` false |
| `regexp` | an array of `[expression, value]` | the first that is found |
| `file` | a file with a recipient and a value in each line | the closest key |
| `constant` | a value | it, for everybody |

`$1` in a text behind an expression is what its first group found, `$$` a dollar. `{}` in the place of a value says
nothing: the next table is asked, but no more general key of this one. A value may be `{ value = …, shadow = true }`.
"""

REFERENCE_DKIM_KEY = """\

## [[dkim_key]]

A key that mail is signed with; `milterguard dkim genkey` makes one and prints its entry. Several keys of a domain make
several signatures; entries of all files add up ([authentication.md](authentication.md)).

| Key | Meaning |
|---|---|
| `domain` | the domain that signs (`d=`), in Unicode or as A-labels |
| `selector` | under which its record stands in the DNS: `SELECTOR._domainkey.DOMAIN` |
| `file` | the private key, PEM without a passphrase, mode 0600 or 0640 |
| `subdomains` | `true`: for mail of the domains below as well, where they have no key of their own |

```toml
[[dkim_key]]
domain = "example.com"
selector = "2026a"
file = "/etc/milterguard/dkim/example.com.2026a.pem"
```
"""
REFERENCE_FIELD = """\

## [[field]]

A field that delivered mail gets, loses or has replaced, after the fields of `[headers]` and the Subject tags. Entries
of all files add up, at most 50; of those that add a field the first stands on top.

| Key | Meaning |
|---|---|
| `action` | `add` one more; `remove` all of that name; `replace` them by one, whether there were any or not |
| `name` | the field's name |
| `value` | for `add` and `replace`: one line, at most 500 characters |
| `category` | the message has one of these (a word or an array); `clean`: it has nothing else. Left out: any |
| `traffic` | `inbound`, `originating`, `local`, as one word or an array. Left out: all |
| `only_ours` | `true` (the default): only when a recipient who is ours gets the message, and by what that one has |
| `breaks_signatures` | `true` must stand beside a name that signers sign: `To`, `Reply-To`, `List-Id` and the like |

In a value stand `_SCORE_`, `_REQD_` (tag2 level), `_YESNO_`, `_YESNOCAPS_`, `_CATEGORY_`, `_MAILID_` and `_HOSTNAME_`
for what they say, of several recipients by the severest. `From`, `Subject`, trace fields, signatures, MIME fields and
those that milterguard writes itself are refused.

```toml
[[field]]
action = "replace"
name = "X-Filtered"
value = "_CATEGORY_, _SCORE_ points, _MAILID_ at _HOSTNAME_"

[[field]]
action = "remove"
name = "X-Originating-IP"
traffic = "originating"
only_ours = false
```
"""

REFERENCE_BANNED = """\

## [[banned.NAME]]

A set of rules about names and types; [banned.md](banned.md) tells how they are written and asked. Those that come with
the program, and may be replaced:

| Set | Rules, by title |
|---|---|
"""
