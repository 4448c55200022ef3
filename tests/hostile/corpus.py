"""What a server, or whoever names things on it, might put into a text; each between marks that name it."""

import re
from collections.abc import Mapping

# Values that noxcli itself never uses (background 45, title PWNED, row 7, ...), so that an effect has one origin.
PAYLOADS: Mapping[str, str] = {
    "sgr": "\x1b[45;5;7mx",
    "sgr-truecolor": "\x1b[48;2;9;9;9mx",
    "conceal": "\x1b[8mx",
    "cursor-home": "\x1b[H\x1b[7;13HFORGED",
    "cursor-up": "\x1b[9A\x1b[99DFORGED",
    "clear-screen": "\x1b[2J\x1b[3J",
    "erase-line": "\x1b[1KFORGED",
    "scroll-region": "\x1b[3;5r",
    "alternate-screen": "\x1b[?1049h",
    "hide-cursor": "\x1b[?25l",
    "mouse-and-paste": "\x1b[?1000h\x1b[?2004h",
    "save-and-restore": "\x1b7\x1b[7;13H\x1b8",
    "reset": "\x1bc",
    "charset": "\x1b(0lqk",
    "report-device": "\x1b[c\x1b[>c",
    "report-cursor": "\x1b[6n",
    "report-answerback": "\x05",
    "report-title": "\x1b[21t",
    "title-bel": "\x1b]0;PWNED\x07",
    "title-st": "\x1b]2;PWNED\x1b\\",
    "link-bel": "\x1b]8;;http://pwned.example\x07x\x1b]8;;\x07",
    "link-st": "\x1b]8;;http://pwned.example\x1b\\x\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "notify": "\x1b]9;PWNED\x07\x1b]777;notify;PWNED\x07",
    "dcs": '\x1bP$q"p\x1b\\',
    "apc": "\x1b_Gi=1;AAAA\x1b\\",
    "pm-and-sos": "\x1b^x\x1b\\\x1bXx\x1b\\",
    "unfinished-osc": "\x1b]0;PWNED",
    "unfinished-csi": "\x1b[",
    "c1-csi": "\x9b45mx",
    "c1-osc": "\x9d0;PWNED\x9c",
    "c1-dcs": "\x90q\x9c",
    "c1-next-line": "\x85FORGED",
    "c1-reverse-index": "\x8dFORGED",
    "bidi-override": "\u202egnp.exe",
    "bidi-isolates": "\u2066a\u2067b\u2068c\u2069",
    "bidi-marks": "\u200e\u200f\u061c",
    "zero-width": "a\u200bb\u200cc\u200dd\u2060e\ufeff",
    "tags": "x\U000e0001\U000e0041\U000e007f",
    "variation-selectors": "x\ufe00\U000e0100\U000e01ef",
    "fillers": "x\u115f\u1160\u3164\uffa0\u034f",
    "line-separator": "\u2028FORGED",
    "paragraph-separator": "\u2029FORGED",
    "cr": "\rFORGED",
    "lf": "\nFORGED",
    "crlf": "\r\nFORGED",
    "lf-error-line": "\nnoxcli: FORGED",
    "backspace": "\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\bFORGED",
    "tab": "a\tb",
    "vertical-tab": "\vFORGED",
    "form-feed": "\fFORGED",
    "shift-out": "\x0elqk\x0f",
    "del": "\x7f\x7f",
    "nul": "\x00",
    "bel": "\x07",
    "substitute": "\x1a\x18",
    "separators": "\x1c\x1d\x1e\x1f",
    "rich-style": "[red]x[/red][bold blink on magenta]y[/]",
    "rich-link": "[link=http://pwned.example]x[/link]",
    "rich-unbalanced": "[/][/red][[",
    "rich-action": "[@click=app.quit]x[/]",
    "emoji-code": ":smile: :bomb:",
    "github-error": "\n::error::x",
    "github-error-blanks": "\n \t::error file=a,line=1::x",
    "github-error-mark": "\n\u3000\ufe0f::error::x",
    "github-error-cr": "\r::error::x",
    "github-mask": "\n::add-mask::x",
    "github-stop": "\n::stop-commands::x",
    "github-old": "x##[error]y ##[add-mask]y",
    "azure": "x##vso[task.setvariable variable=PATH]y",
    "teamcity": "x##teamcity[buildStatus status='FAILURE']",
    "gitlab": "\nsection_start:1700000000:x[collapsed=true]\r\x1b[0KFORGED",
    "travis": "travis_fold:start:x\r\x1b[0KFORGED",
    "surrogate": "\ud800",
    "surrogate-pair-torn": "\udc9b45m\udcff",
    "zalgo": "z" + "\u0300\u0489\u20dd\u036f" * 40,
    "zalgo-thai": "\u0e01" + "\u0e49" * 60,
    "wide": "世界" * 30,
    "emoji-joined": "👩\u200d👩\u200d👧\u200d👦" * 12,
    "emoji-toned": "👍🏻" * 30,
    "flags": "🇩🇪" * 30,
    "emoji-style": "❤\ufe0f" * 30,
    "no-characters": "\ufdd0\uffff\U0010ffff",
    "private-use": "\ue000\U000f0000",
    "format-string": "%s%n%d {} {0} {self.__class__} {x!r:>{y}}",
    "shell": "$(touch pwned)`touch pwned`; touch pwned; ' \" \\ !!",
    "leading-dash": "--help",
    "path": "../../etc/passwd",
    "quotes": "'\"\\'",
    "blank": " \u00a0\u3000",
}
NAMES = list(PAYLOADS)
LONG = "ab\x1b[45m" * 150_000  # a megabyte in one line

OPENED = re.compile(r"[Qq]([a-z])(\d\d\d)[Qq]")  # a content type comes in small letters


def marked(field: str, name: str) -> str:
    """Return the payload between marks for the field, a single letter."""
    number = NAMES.index(name)
    return f"Q{field}{number:03}Q{PAYLOADS[name]}Z{field}{number:03}Z"


def all_marked(field: str) -> list[str]:
    """Return every payload, marked for the field."""
    return [marked(field, name) for name in NAMES]
