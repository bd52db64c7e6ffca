"""Texts that try to run a script, to load something, to hide, or to be taken for a formula or a template.

`{b}` is the URL of a beacon that must never be called; a script that runs sets `window.hostile`.
"""

_JS = "window.hostile=1;fetch('{b}')"

_TEXTS = (
    # scripts
    "<script>" + _JS + "</script>",
    "<SCRIPT SRC={b}></SCRIPT>",
    "<script>alert('hostile')</script>",
    "</script><script>" + _JS + "</script>",
    "</textarea><script>" + _JS + "</script>",
    "</style><script>" + _JS + "</script>",
    '"><script>' + _JS + "</script>",
    "<scr<script>ipt>" + _JS + "</scr</script>ipt>",
    "<svg><script>" + _JS + "</script></svg>",
    '<svg onload="' + _JS + '">',
    "<svg><use href='{b}#x'></use></svg>",
    "<svg><image href='{b}'/></svg>",
    '<svg><animate onbegin="' + _JS + '" attributeName=x></svg>',
    '<math><mtext></table></math><img src=x onerror="' + _JS + '">',
    '<img src=x onerror="' + _JS + '">',
    "<img/src=x/onerror=window.hostile=1>",
    '<body onload="' + _JS + '">',
    '<details open ontoggle="' + _JS + '">x</details>',
    '<input autofocus onfocus="' + _JS + '">',
    '<marquee onstart="' + _JS + '">x</marquee>',
    '<a href="javascript:' + _JS + '">click</a>',
    '<form action="javascript:' + _JS + '"><button>x</button></form>',
    "javascript:" + _JS,
    '<noscript><p title="</noscript><img src=x onerror=window.hostile=1>">',
    # loads
    "<img src={b}>",
    "<img srcset='{b} 2x'>",
    "<iframe src={b}></iframe>",
    '<iframe srcdoc="<script>parent.hostile=1</script>"></iframe>',
    "<object data={b}></object>",
    "<embed src={b}>",
    "<video src={b} autoplay poster={b}></video>",
    "<audio src={b} autoplay></audio>",
    "<link rel=stylesheet href={b}>",
    "<link rel=prefetch href={b}>",
    "<style>@import '{b}';</style>",
    "<style>*{{background:url({b})}}</style>",
    "<div style=\"background:url('{b}')\">x</div>",
    '<meta http-equiv=refresh content="0;url={b}">',
    "<base href={b}>",
    "data:text/html,<script>" + _JS + "</script>",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='window.hostile=1'/>",
    # Markdown
    "![x]({b})",
    "![x][r]\n\n[r]: {b}",
    "[![x]({b})]({b})",
    "[click]({b})",
    "[click](javascript:window.hostile=1)",
    "<{b}>",
    "{b}",
    "# Heading\n\n**bold** :material/warning: :red[text] $\\href{{{b}}}{{x}}$",
    "| a | b |\n|---|---|\n| ![x]({b}) | c |",
    ":streamlit: :small[<img src={b}>] `![x]({b})`",
    '```mermaid\nclick A href "{b}"\n```',
    "$$\\includegraphics{{{b}}}$$",
    # formulas of spreadsheets
    '=HYPERLINK("{b}","x")',
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '\t=IMPORTXML("{b}","//a")',
    # templates and charts
    "{{{{7*7}}}} ${{7*7}} #{{7*7}} <%= 7*7 %>",
    "{{{{constructor.constructor('window.hostile=1')()}}}}",
    "{{% include '{b}' %}}",
    "${{jndi:ldap://127.0.0.1/x}}",
    '{{"image": "{b}", "title": "<img src={b}>"}}',
    "image",
    # terminals, directions, and what cannot be seen
    "\x1b[31mred\x1b[0m \x1b]8;;{b}\x07link\x1b]8;;\x07",
    "\x1b[2J\x1b[H\x07",
    "abc\u202egnp.exe\u202c",
    "\u2066\u2067\u2068x\u2069\u2069\u2069",
    "zero\u200bwidth\u200d\ufeff\u2060",
    "tag\U000e0041\U000e0042 \u3164\u2800",
    "a\u0300\u0301\u0302\u0303\u0304" * 20,
    "\u061c\u200f\u05e9\u05dc\u05d5\u05dd",
)


def hostile_texts(beacon: str) -> list[str]:
    """Return every text, with the URL of a beacon in it where it tries to load something."""
    return [text.format(b=beacon) for text in _TEXTS]


def hostile_id(text: str) -> str:
    """Return a text as an id: visible ASCII without spaces, as an id of the record may be."""
    visible = "".join(character for character in text if "!" <= character <= "~")
    return f"x{visible}"[:500] if visible.startswith(".") or not visible else visible[:500]
