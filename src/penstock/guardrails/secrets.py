"""Secrets in text, known by their form: keys and tokens of well-known services, private keys, JSON web tokens, passwords in
addresses, and values that stand under a name such as `password` or `api_key`.

The forms are those the services document. Where a form alone is too weak, the value must also look made by a machine: letters
and digits, and enough disorder. What has no form of its own (a bare password in a sentence) is not found.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from .found import Found, Rule, at_anchors

WHAT = "secrets"
DISORDER = 3.0  # bits a character: words of a language have less, 12 random ones have more
_PLACEHOLDER = re.compile(r"(?i)example|placeholder|change.?me|your[-_]|redacted|dummy|x{4,}|\*{3,}|\.{3,}|[<>{}$]")
_NAMES = re.compile(
    r"(?i)name|path|file|version|url|uri|arn|type|hint|count|limit|length|policy|rotat|expir|(?:^|[_-])(?:id|ref)$|Id$|Ref$"
)


def find(text: str) -> Iterator[Found]:
    for rule in RULES:
        yield from at_anchors(rule, text, WHAT)


def looks_assigned(name: str, value: str) -> bool:
    """Whether a member of an object is a secret by its name, such as {"password": "…"}."""
    match = _NAME.search(name)
    return match is not None and _NAMES.search(name, match.end()) is None and _value(value) and len(value) <= 512


def _mixed(value: str) -> bool:
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def _random(value: str) -> bool:
    if not _mixed(value) or _PLACEHOLDER.search(value):
        return False
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value[:256]).values()) >= DISORDER


def _value(value: str) -> bool:
    return len(value) >= 10 and not any(c.isspace() for c in value) and _random(value)


def _password(value: str) -> bool:
    return not _PLACEHOLDER.search(value) and value.lower() not in ("password", "pass", "secret", "pwd", "user")


def _rule(kind: str, anchors: str, pattern: str, joins: str = "word", fits: object = None) -> Rule:
    return Rule(kind, tuple(anchors.split(" ")), re.compile(pattern), joins, fits)  # type: ignore[arg-type]


_END = r"(?![A-Za-z0-9])"
_KEYWORD = (
    "assword ASSWORD asswd ASSWD pwd PWD ecret ECRET pi_key pi-key piKey pikey PI_KEY PIKEY pi_token piToken PI_TOKEN"
    " uth_token uthToken UTH_TOKEN ccess_token ccessToken CCESS_TOKEN efresh_token efreshToken EFRESH_TOKEN"
    " ccess_key ccessKey CCESS_KEY ccount_key ccountKey rivate_key rivateKey ncryption_key NCRYPTION_KEY"
)
_NAME = re.compile("|".join(map(re.escape, _KEYWORD.split(" "))))
_ASSIGNED = (
    rf"(?:{_NAME.pattern})(?![A-Za-z0-9_-]{{0,20}}?(?i:name|path|file|version|url|uri|arn|type|count|limit|_id|_ref|Id|Ref))"
    r"[A-Za-z0-9_-]{0,20}+\\?[\"']?\s{0,3}+(?:=>|:=|==?|:)\s{0,3}+\\?[\"']?([A-Za-z0-9+/_.~!@#%^&*-]{10,512}+={0,2})"
)

RULES = (
    _rule(
        "private_key",
        "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.]|-(?!----))*+"
        r"(?:-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----)?",
        "nothing",
    ),
    _rule("aws_key", "AKIA ASIA ABIA ACCA", r"A[KSBC][IC]A[A-Z2-7]{16}" + _END),
    _rule("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}+"),
    _rule("github_token", "github_pat_", r"github_pat_\w{22,255}+"),
    _rule("gitlab_token", "glpat- glptt- gldt- glrt- glcbt-", r"gl[a-z]{2,4}-[\w.-]{20,255}+"),
    _rule("anthropic_key", "sk-ant-", r"sk-ant-[\w-]{20,255}+"),
    _rule("openai_key", "sk-", r"sk-(?!ant-)[\w-]{20,255}+", "word", _random),
    _rule("groq_key", "gsk_", r"gsk_[A-Za-z0-9]{40,120}+"),
    _rule("huggingface_token", "hf_", r"hf_[A-Za-z0-9]{30,60}+"),
    _rule("google_key", "AIza", r"AIza[\w-]{35}(?![\w-])"),
    _rule("google_token", "ya29. GOCSPX-", r"(?:ya29\.|GOCSPX-)[\w-]{20,1024}+"),
    _rule("slack_token", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", r"x(?:ox[a-z]|app)-[A-Za-z0-9-]{10,255}+"),
    _rule("slack_webhook", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,120}+"),
    _rule(
        "stripe_key",
        "sk_live_ sk_test_ rk_live_ rk_test_ whsec_",
        r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,255}+",
    ),
    _rule("npm_token", "npm_", r"npm_[A-Za-z0-9]{36}" + _END),
    _rule("pypi_token", "pypi-AgE", r"pypi-AgE[\w-]{50,1024}+"),
    _rule("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", r"do[por]_v1_[a-f0-9]{64}" + _END),
    _rule("sendgrid_key", "SG.", r"SG\.[\w-]{16,32}\.[\w-]{16,64}+"),
    _rule("twilio_key", "SK", r"SK[0-9a-f]{32}" + _END),
    _rule("mailgun_key", "key-", r"key-[0-9a-f]{32}" + _END),
    _rule("shopify_token", "shpat_ shpca_ shppa_ shpss_", r"shp[a-z]{2}_[a-fA-F0-9]{32}" + _END),
    _rule("databricks_token", "dapi", r"dapi[0-9a-f]{32}" + _END),
    _rule("vault_token", "hvs. hvb.", r"hv[sb]\.[\w-]{24,255}+"),
    _rule("grafana_token", "glsa_ glc_", r"gl(?:sa|c)_[\w=+/-]{32,255}+"),
    _rule("atlassian_token", "ATATT3", r"ATATT3[\w=-]{50,400}+"),
    _rule("notion_token", "ntn_ lin_api_", r"(?:ntn|lin_api)_[A-Za-z0-9]{36,60}+"),
    _rule("tailscale_key", "tskey-", r"tskey-[a-z]{2,12}-[A-Za-z0-9-]{16,80}+"),
    _rule("age_key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _rule("postman_key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _rule("jwt", "eyJ", r"eyJ[\w-]{8,8192}+\.[\w-]{8,16384}+\.[\w-]{8,8192}+(?:\.[\w-]{1,16384}+){0,2}"),
    _rule("password_in_url", "://", r"://[^\s/:@\"'<>]{0,100}+:([^\s/@\"'<>]{3,200}+)@[\w.\[-]", "nothing", _password),
    _rule(
        "authorization",
        "Bearer Basic bearer basic",
        r"[Bb](?:earer|asic)\s{1,3}+([A-Za-z0-9._~+/-]{16,4096}+={0,2})",
        "letters",
        _random,
    ),
    _rule("assigned", _KEYWORD, _ASSIGNED, "nothing", _value),
)
