"""What counts as a defect, and how bad it is.

Python is judged by ruff; the tables below choose its rules (by prefix, the longest wins) and weigh them by what they
cost when they are true: high breaks or exposes something, medium will hurt one day, low is a smell. Everything else is
judged by a few patterns of our own, one line at a time, that know leaked secrets, forgotten merges and the like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("high", "medium", "low")

_STANDARD = {
    "high": (
        "E9 F50 F52 F621 F622 F631 F634 F7 F821 F822 F823 B002 B012 B016 B029 B030 PLE S307 S323 S501 S502 S503 S504 "
        "S506 S507 S602 S604 S605 S609 ASYNC251 T100 PLW0129 PLW0711 PLW1501 RUF008 RUF016"
    ),
    "medium": (
        "F541 F601 F632 F633 F811 B003 B004 B005 B006 B015 B017 B019 B020 B021 B022 B023 B025 B026 B031 "
        "B032 B035 B039 S102 S103 S108 S113 S201 S202 S301 S302 S303 S304 S305 S306 S324 S505 S508 "
        "S509 S601 S608 S611 S612 S701 S702 ASYNC100 ASYNC105 ASYNC210 ASYNC212 ASYNC22 ASYNC250 LOG004 LOG014 "
        "PLW0127 PLW0128 PLW0133 PLW0177 PLW0211 PLW0245 PLW0406 PLW1507 PLW1509 PLW2101 RUF006 RUF009 RUF024 RUF026 "
        "RUF033 RUF060"
    ),
    "low": (
        "F401 F403 F504 F522 F841 B007 B011 B014 B018 B024 B027 B033 S104 S105 S106 S107 S110 S112 ASYNC110 ASYNC230 "
        "PLE2513 E722"
    ),
}
_DEEP = {
    "medium": "B008 BLE001 C901 PLR0912 PLR0915 S310 S314 SIM115 PLW0602 PLW0642 RUF012 RUF013 RUF017 RUF018 RUF040",
    "low": (
        "B009 B010 B028 B034 B904 B905 DTZ E711 E712 LOG PLR0913 PLR1704 PLW0603 PLW1508 "
        "PLW1510 PLW1641 PLW2901 RUF034 RUF059 S311 TRY203"
    ),
}

HINTS = {
    "F401": "Remove the import, or list the name in __all__ if it is part of the interface.",
    "F821": "The name exists nowhere: running this line raises NameError.",
    "F841": "Delete the variable, or use it.",
    "F811": "The first definition can never be used: remove or rename one of the two.",
    "B006": "Default to None and build the value inside the function: the default is shared by all calls.",
    "B008": "The call runs once, at import: default to None and call it inside (frameworks that want it apart).",
    "B012": "A return, break or continue here swallows the exception on its way out.",
    "B019": "The cache keeps every instance alive: cache on the instance, or use a module-level function.",
    "B023": "All closures see the loop's last value: bind it as a default argument.",
    "B904": "Write `raise … from error`, so that the cause is not lost.",
    "BLE001": "Catch what you expect; let the rest be seen.",
    "C901": "Too many branches to hold in mind: split the function.",
    "E722": "A bare except also catches KeyboardInterrupt and SystemExit: name the exception.",
    "ASYNC210": "This stops the whole event loop: use an async client or a thread.",
    "ASYNC230": "Opening a file stops the event loop for as long as the disk takes: use a thread.",
    "ASYNC251": "This stops the whole event loop: await the library's own sleep.",
    "RUF006": "Keep a reference to the task, or it may be collected before it ends.",
    "S105": "Read the secret from the environment or a vault.",
    "S106": "Read the secret from the environment or a vault.",
    "S107": "Read the secret from the environment or a vault.",
    "S110": "An error vanishes here: log it, or say why it does not matter.",
    "S113": "Without a time-out the call can hang for ever.",
    "S301": "Unpickling runs code chosen by whoever wrote the data: use JSON for data you did not write.",
    "S307": "eval runs any code in its input: ast.literal_eval is enough for data.",
    "S324": "Too weak for security; pass usedforsecurity=False if it is only a checksum.",
    "S501": "Anyone on the path can read and change this traffic.",
    "S506": "yaml.load can build any object: use yaml.safe_load.",
    "S602": "Pass a list of arguments and no shell, or the input may run commands.",
    "S605": "Pass a list of arguments and no shell, or the input may run commands.",
    "S608": "Pass values as parameters of the query.",
    "T100": "A debugger left in: the program will stop here.",
}

# Asserting, building odd values and writing fake passwords is what tests are for.
QUIET_IN_TESTS = ("S1", "S3", "S6", "B017", "B018", "B011", "ASYNC2", "PLW1510", "PLR", "C901", "DTZ", "BLE001")


def _table(*levels: dict[str, str]) -> dict[str, str]:
    return {code: severity for level in levels for severity, codes in level.items() for code in codes.split()}


STANDARD = _table(_STANDARD)
DEEP = _table(_STANDARD, _DEEP)
LEVELS = {"standard": STANDARD, "deep": DEEP}
# Where a rule counts, the count that makes people lose the thread, not the tidy one.
RUFF_SETTINGS = (
    "lint.mccabe.max-complexity = 15",
    "lint.pylint.max-branches = 20",
    "lint.pylint.max-statements = 80",
    "lint.pylint.max-args = 8",
)


def severity(code: str, level: str) -> str:
    """The weight of ruff's rule `code`; a rule chosen by a longer prefix beats a shorter one."""
    table = LEVELS[level]
    for end in range(len(code), 0, -1):
        if found := table.get(code[:end]):
            return found
    return "low"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A defect seen on one line. `languages` empty: any. `unless`: the line is innocent when this matches it, too."""

    rule: str
    severity: str
    message: str
    regex: re.Pattern[str]
    hint: str = ""
    languages: frozenset[str] = frozenset()
    unless: re.Pattern[str] | None = None


_EXAMPLE = re.compile(
    r"(?i)example|placeholder|your[-_]|xxxx|changeme|dummy|redacted|\.\.\.|<[a-z_ -]+>|\$\{|\{\{|%s|\{\w*\}"
)
_ROTATE = "Take it out of the file and of the history, and replace the key: whoever could read this has it."
_WEB = frozenset({"JavaScript", "TypeScript", "Vue", "Svelte"})


def _p(rule: str, severity: str, message: str, regex: str, hint: str = "", **rest: Any) -> Pattern:
    return Pattern(rule, severity, message, re.compile(regex), hint, **rest)


PATTERNS = (
    _p("secret.private_key", "high", "A private key", r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
       _ROTATE, unless=re.compile(r"['\"].*['\"]\s*(?:in|not in|,|\))")),
    _p("secret.aws_key", "high", "An AWS access key id", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", _ROTATE, unless=_EXAMPLE),
    _p("secret.github_token", "high", "A GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})", _ROTATE),
    _p("secret.gitlab_token", "high", "A GitLab token", r"\bglpat-[\w-]{20,}", _ROTATE, unless=_EXAMPLE),
    _p("secret.slack_token", "high", "A Slack token", r"\bxox[abprs]-\d{8,}-[\w-]{10,}", _ROTATE, unless=_EXAMPLE),
    _p("secret.model_key", "high", "A key of a model provider", r"\bsk-(?:ant|proj|or)-[\w-]{24,}", _ROTATE,
       unless=_EXAMPLE),
    _p("secret.google_key", "high", "A Google API key", r"\bAIza[0-9A-Za-z_-]{35}\b", _ROTATE, unless=_EXAMPLE),
    _p("secret.stripe_key", "high", "A live Stripe key", r"\b[sr]k_live_[0-9A-Za-z]{20,}", _ROTATE),
    _p("secret.url_password", "medium", "A password inside a URL",
       r"\b[a-z][a-z0-9+.-]{2,20}://[^\s:/@'\"`<>]{1,64}:(?!//)[^\s:/@'\"`<>$&{]{3,64}@[\w.-]+\.[a-z]{2,}",
       "Keep the password apart from the address.", unless=re.compile(_EXAMPLE.pattern + r"|user:pass|:password@")),
    _p("merge.conflict", "high", "A merge conflict was committed", r"^(?:<{7} |>{7} )\S", "Finish the merge."),
    _p("text.bidi", "high", "A character that turns the reading direction hides what this line does",
       "[\u202a-\u202e\u2066-\u2069]", "Remove it, or write it as an escape."),
    _p("js.debugger", "medium", "A debugger statement left in", r"^\s*debugger\s*;?\s*$", "Remove it.", languages=_WEB),
    _p("js.eval", "medium", "Text is run as code", r"(?<![\w.])(?:eval|new Function)\s*\((?!\s*\))",
       "Parse the data instead of running it.", languages=_WEB, unless=re.compile(r"^\s*(?://|\*)")),
    _p("js.inner_html", "medium", "Markup is put into the page as it is", r"\.(?:innerHTML|outerHTML)\s*\+?=(?!=)|"
       r"\bdocument\.write(?:ln)?\(|dangerouslySetInnerHTML=", "Set text, or clean the markup first.", languages=_WEB,
       unless=re.compile(r"innerHTML\s*=\s*(?:''|\"\"|``)\s*;?|^\s*(?://|\*)")),
    _p("shell.pipe_to_shell", "medium", "A download is run without being looked at",
       r"\b(?:curl|wget)\b[^|#\n]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b", "Download, check a hash, then run.",
       languages=frozenset({"Shell", "Dockerfile", "Makefile", "YAML"})),
    _p("shell.rm_variable", "high", "If the variable is empty this deletes from the root",
       r"\brm\s+-[a-zA-Z]*r[a-zA-Z]*\s+(?:-\w+\s+)*[\"']?\$\{?\w+\}?[\"']?/[\"']?\*?[\"']?(?:\s|$)",
       "Write ${NAME:?} so that an empty variable stops the script.", languages=frozenset({"Shell", "Dockerfile", "Makefile"})),
    _p("docker.latest", "low", "The base image is not pinned",
       r"^FROM\s+(?!scratch\b)[^\s:@$]+(?::latest)?(?:\s+[Aa][Ss]\s+\S+)?\s*$",
       "Name a version or a digest.", languages=frozenset({"Dockerfile"})),
)  # fmt: skip

TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
LONG_LINE = 500  # characters
