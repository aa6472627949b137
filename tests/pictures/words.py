"""What people in the pictures are called and write, in each language that pictures are taken in."""

from dataclasses import dataclass

OTHERS = ("minutes/may", "camp/budget", "reading/list", "boats/repairs", "welcome", "birds/2026", "old/draft")
"""The other documents; the last is in the bin, the one before is the first writer's."""


@dataclass(frozen=True)
class Words:
    locale: str
    catalogue: str | None
    """File of the app's translations; None for English."""
    people: tuple[str, str, str, str, str]
    """The administrator, two who write, somebody without any document, somebody suspended."""
    title: str
    text: str
    """Markdown of the document that most pictures show."""
    by_ann: str
    by_ben: str
    by_cleo: str
    replaced: tuple[str, str]
    """Words of the text, and what stands there instead later."""
    commented: str
    comments: tuple[str, str]
    second_commented: str
    second_comment: str
    versions: tuple[str, str]
    sought: str
    """Found in more than one document."""
    others: tuple[tuple[str, str], ...]
    """Title and Markdown of the `OTHERS`."""
    extra: tuple[str, str, str]
    """Titles of one that is damaged, one of a newer editor, and one without a word."""
    token: str
    late: str
    """What somebody types while it cannot be saved."""
    image: str


EN = Words(
    locale="en-GB",
    catalogue=None,
    people=("Ann Berg", "Ben Okafor", "Cleo Marin", "Dana Weiss", "Emil Novak"),
    title="River walk in June",
    text="""# River walk in June

The path along the Alder is open again from the mill to the old bridge. We meet at **nine at the boat house**, \
and are back [in time for the last bus](https://example.org/bus).

## What to bring

- [x] Rope, twenty metres
- [x] The map with the fords on it
- [ ] Lamp and spare batteries
- [ ] Bread and cheese for eight

## Who does what

| What | Who | Until |
| --- | --- | --- |
| Ask the miller for the key | Ben | 2 June |
| Look at the bridge | Cleo | 5 June |
| Tell the reading group | Ann | 9 June |

## Last year

> The water stood high. Two herons kept to the far bank all morning, and nobody wanted to go home.

```python
def hours(kilometres: float, children: int) -> float:
    return kilometres / 4 + children * 0.25
```

Whoever comes later finds us at the ford.
""",
    by_ann=" Bring dry socks.",
    by_ben=" The key hangs behind the door of the mill.",
    by_cleo=" I looked at the bridge: one plank is loose, the rest will hold.",
    replaced=("twenty metres", "thirty metres"),
    commented="in time for the last bus",
    comments=(
        "It leaves at six on Sundays, not at seven.",
        "Thank you, then we turn round at the ford at three.",
    ),
    second_commented="Bread and cheese for eight",
    second_comment="We are nine now: Dana comes too.",
    versions=("First plan", "Sent to everybody"),
    sought="heron",
    others=(
        (
            "Minutes of 7 May",
            "# Minutes of 7 May\n\nPresent: Ann, Ben, Cleo. The boat house gets a new roof.",
        ),
        (
            "Summer camp: budget",
            "# Budget\n\n| What | Cost |\n| --- | --- |\n| Tents | 320 |\n| Food | 540 |\n",
        ),
        ("Reading group", "# Reading group\n\n1. The heron and the mill\n2. A winter in the reeds"),
        (
            "Boats and repairs",
            "# Repairs\n\n- [ ] Oar of the small boat\n- [x] New rope for the heron boat",
        ),
        ("Welcome, new members", "# Welcome\n\nHow we write together here."),
        ("Birds we have seen", "# Birds\n\nTwo herons, one kingfisher, many ducks."),
        ("First draft of the rules", "# Rules\n\nNobody walks alone."),
    ),
    extra=("Minutes of last year", "Map of the fords", "Ideas for autumn"),
    token="Nightly copy to the archive",
    late=" We take the small boat.",
    image="A river between reeds, with a heron on the far bank",
)

HE = Words(
    locale="he-IL",
    catalogue="he.ts",
    people=("נועה ברק", "דניאל לוי", "תמר כהן", "יעל רוזן", "איתן שגב"),
    title="טיול לאורך הנחל ביוני",
    text="""# טיול לאורך הנחל ביוני

השביל לאורך הנחל פתוח שוב מהטחנה ועד הגשר הישן. נפגשים **בתשע ליד בית הסירות** \
וחוזרים [בזמן לאוטובוס האחרון](https://example.org/bus).

## מה להביא

- [x] חבל באורך עשרים מטר
- [x] המפה עם המעברים
- [ ] פנס וסוללות להחלפה
- [ ] לחם וגבינה לשמונה

## מי עושה מה

| מה | מי | עד |
| --- | --- | --- |
| לבקש את המפתח מהטוחן | דניאל | 2 ביוני |
| לבדוק את הגשר | תמר | 5 ביוני |
| לספר לחוג הקריאה | נועה | 9 ביוני |

## בשנה שעברה

> המים היו גבוהים. שתי אנפות עמדו כל הבוקר בגדה השנייה, ואף אחד לא רצה לחזור הביתה.

```python
def hours(kilometres: float, children: int) -> float:
    return kilometres / 4 + children * 0.25
```

מי שמאחר ימצא אותנו ליד המעבר.
""",
    by_ann=" כדאי להביא גרביים יבשים.",
    by_ben=" המפתח תלוי מאחורי דלת הטחנה.",
    by_cleo=" בדקתי את הגשר: קרש אחד רופף, והשאר יחזיק.",
    replaced=("עשרים מטר", "שלושים מטר"),
    commented="בזמן לאוטובוס האחרון",
    comments=("בימי שבת הוא יוצא בשש, לא בשבע.", "תודה, אז נסתובב ליד המעבר בשלוש."),
    second_commented="לחם וגבינה לשמונה",
    second_comment="אנחנו כבר תשעה: גם יעל באה.",
    versions=("תוכנית ראשונה", "נשלח לכולם"),
    sought="אנפ",
    others=(
        ("סיכום ישיבה, 7 במאי", "# סיכום ישיבה\n\nנכחו: נועה, דניאל, תמר. בית הסירות מקבל גג חדש."),
        (
            "מחנה הקיץ: תקציב",
            "# תקציב\n\n| מה | עלות |\n| --- | --- |\n| אוהלים | 320 |\n| אוכל | 540 |\n",
        ),
        ("חוג קריאה", "# חוג קריאה\n\n1. אנפה ליד הטחנה\n2. חורף בין הקנים"),
        ("סירות ותיקונים", "# תיקונים\n\n- [ ] משוט לסירה הקטנה\n- [x] חבל חדש לסירה אנפה"),
        ("ברוכים הבאים, חברים חדשים", "# ברוכים הבאים\n\nכך כותבים כאן ביחד."),
        ("ציפורים שראינו", "# ציפורים\n\nאנפה אחת, שלדג אחד, הרבה ברווזים."),
        ("טיוטה ראשונה של הכללים", "# כללים\n\nאף אחד לא הולך לבד."),
    ),
    extra=("סיכומים מהשנה שעברה", "מפת המעברים", "רעיונות לסתיו"),
    token="גיבוי לילי לארכיון",
    late=" ניקח את הסירה הקטנה.",
    image="נחל בין קנים, ואנפה בגדה השנייה",
)

JA = Words(
    locale="ja-JP",
    catalogue="ja.ts",
    people=("佐藤 葵", "鈴木 健", "高橋 美咲", "田中 直子", "伊藤 亮"),
    title="六月の川歩き",
    text="""# 六月の川歩き

水車小屋から古い橋までの川沿いの道がまた通れるようになりました。**九時に舟小屋**に集まり、\
[最終バスに間に合うように](https://example.org/bus)帰ります。

## 持ち物

- [x] ロープ、二十メートル
- [x] 渡り場のある地図
- [ ] ランプと予備の電池
- [ ] 八人分のパンとチーズ

## 役割

| 仕事 | 誰が | いつまで |
| --- | --- | --- |
| 水車小屋の鍵を借りる | 鈴木 | 6月2日 |
| 橋を見に行く | 高橋 | 6月5日 |
| 読書会に知らせる | 佐藤 | 6月9日 |

## 去年

> 水が高く、サギが二羽、朝のあいだずっと向こう岸にいました。

遅れる人は渡り場で会いましょう。
""",
    by_ann="替えの靴下も持ってきてください。",
    by_ben="鍵は水車小屋の扉の裏に掛かっています。",
    by_cleo="橋を見てきました。板が一枚ゆるいだけで、あとは大丈夫です。",
    replaced=("二十メートル", "三十メートル"),
    commented="最終バスに間に合うように",
    comments=("日曜は七時ではなく六時に出ます。", "ありがとう。では三時に渡り場で引き返しましょう。"),
    second_commented="八人分のパンとチーズ",
    second_comment="田中さんも来るので九人です。",
    versions=("最初の計画", "全員に送った版"),
    sought="サギ",
    others=(
        ("五月七日の議事録", "# 議事録\n\n出席：佐藤、鈴木、高橋。舟小屋の屋根を新しくします。"),
        ("夏キャンプの予算", "# 予算\n\n| 項目 | 金額 |\n| --- | --- |\n| テント | 320 |\n"),
        ("読書会", "# 読書会\n\n1. サギと水車\n2. 葦の冬"),
        ("舟と修理", "# 修理\n\n- [ ] 小舟の櫂"),
        ("新しい会員の皆さんへ", "# ようこそ\n\nここではこうして一緒に書きます。"),
        ("見かけた鳥", "# 鳥\n\nサギ二羽、カワセミ一羽、カモたくさん。"),
        ("規則の下書き", "# 規則\n\n一人では歩かないこと。"),
    ),
    extra=("去年の議事録", "渡り場の地図", "秋の案"),
    token="夜間の控え",
    late="小舟で行きます。",
    image="葦のあいだの川と、向こう岸のサギ",
)
