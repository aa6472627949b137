"""Attacks on whoever opens an exported page, as nodes, marks and attributes of a document."""

from typing import Any

from tests.collab.formats.rich import Node, block, link, paragraph, text

MARKUP = [
    "<script>attack()</script>",
    "</title><script>attack()</script>",
    "</style><script>attack()</script>",
    "<img src=x onerror=attack()>",
    "<svg onload=attack()>",
    "<svg><script>attack()</script></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=attack()>",
    "<iframe srcdoc='<script>parent.attack()</script>'>",
    "<body onload=attack()>",
    "<a href=javascript:attack()>x</a>",
    '<noscript><p title="</noscript><img src=x onerror=attack()>">',
    "<!--><img src=x onerror=attack()>-->",
    "<![CDATA[><img src=x onerror=attack()>]]>",
    '" onmouseover="attack()" autofocus onfocus="attack()',
    "' onmouseover='attack()' autofocus onfocus='attack()",
    "` onmouseover=`attack()`",
    "&lt;script&gt;attack()&lt;/script&gt;",
    "&#60;img src=x onerror=attack()&#62;",
    "\x00<script\x00>attack()</script>",
    "<scr\x00ipt>attack()</scr\x00ipt>",
    "</p></body></html><script>attack()</script>",
    "</textarea><script>attack()</script>",
    "<details open ontoggle=attack()>",
    "<input onfocus=attack() autofocus>",
    "<video><source onerror=attack()></video>",
    "<link rel=stylesheet href=javascript:attack()>",
    "<meta http-equiv=refresh content='0;url=javascript:attack()'>",
    "<base href=javascript:attack()//>",
    "<object data=javascript:attack()>",
    "<embed src=javascript:attack()>",
    "<template><script>attack()</script></template>",
    "\u2028<script>attack()</script>\u2029",
    "+ADw-script+AD4-attack()+ADw-/script+AD4-",
    "{{constructor.constructor('attack()')()}}",
    "${attack()}",
]
ADDRESSES = [
    "javascript:attack()",
    "JaVaScRiPt:attack()",
    " javascript:attack()",
    "\x01javascript:attack()",
    "java\nscript:attack()",
    "java\tscript:attack()",
    "javascript\t:attack()",
    "javascript&colon;attack()",
    "javascript:attack()//http://example.org",
    "data:text/html,<script>attack()</script>",
    "data:text/html;base64,PHNjcmlwdD5hdHRhY2soKTwvc2NyaXB0Pg==",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='attack()'/>",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "vbscript:attack()",
    "file:///etc/passwd",
    "blob:http://example.org/1",
    "//evil.example/x",
    "/relative",
    "http://a b",
    "http://example.org/\"onclick=\"attack()",
    "http://example.org/'onclick='attack()",
    "http:javascript:attack()",
    "https://x\"><script>attack()</script>",
    "mailto:a@b.example?body=\"><script>attack()</script>",
    "view-source:http://example.org",
    "about:blank",
    "feed:javascript:attack()",
]  # fmt: skip
STYLES = [
    "red;background:url(javascript:attack())",
    "expression(attack())",
    'red"><script>attack()</script>',
    "url(http://evil.example/)",
    "#fff;}</style><script>attack()</script>",
]


def documents() -> list[Node]:
    """A block for each attack in each place where text of a document can go."""
    blocks = []
    for attack in [*MARKUP, *ADDRESSES, *STYLES]:
        blocks += _everywhere(attack)
    return blocks


def _everywhere(attack: str) -> list[Node]:
    name = attack.encode()[:200].decode(errors="ignore")
    value: Any = {"a": [attack, {attack: attack}]}
    return [
        paragraph(text(attack)),
        paragraph(text("x", link(attack, title=attack, onclick=attack))),
        paragraph(text("x", {"type": "highlight", "attrs": {"color": attack}})),
        paragraph(text("x", {"type": "textStyle", "attrs": {"color": attack, "style": attack}})),
        paragraph(text("x", {"type": name, "attrs": {attack: attack}})),
        paragraph(block("mention", id=attack, label=attack, mentionSuggestionChar=attack)),
        paragraph(text("x"), block(name, text(attack), value=value)),
        block("paragraph", text("x"), textAlign=attack, style=attack, onclick=attack),
        block("heading", text(attack), level=attack),
        block("image", src=attack, alt=attack, title=attack, onerror=attack, width=attack),
        block("codeBlock", text(attack), language=attack),
        block("orderedList", block("listItem", paragraph(text(attack))), start=attack, type=attack),
        block("taskList", block("taskItem", paragraph(text(attack)), checked=attack)),
        block(
            "table", block("tableRow", block("tableCell", paragraph(text(attack)), colspan=attack, colwidth=[attack]))
        ),
        block("details", block("detailsSummary", text(attack)), block("detailsContent", paragraph()), open=attack),
        block(name, paragraph(text(attack)), value=value),
        block("script", text(attack)),
        block("iframe", src=attack, srcdoc=attack),
    ]
