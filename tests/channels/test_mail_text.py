"""The new text of a mail is told apart from what it quotes, and nothing that a person wrote is lost."""

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.mail.html_text import html_to_text
from ingest.channels.mail.mime import read_mail
from ingest.channels.mail.new_text import new_text
from tests.channels.recorded import recorded

SHOP = "Shop <help@shop.example>"


@pytest.mark.parametrize(
    ("introduction", "quoted"),
    [
        (f"On Mon, 4 May 2026 at 10:00, {SHOP} wrote:", "> Gladly"),
        ("On Mon, 4 May 2026 at 10:00, Shop\n<help@shop.example> wrote:", "> Gladly"),
        ("On May 4, 2026, at 4:19 PM, Shop wrote:", "Gladly"),
        (f"Am 4. Mai 2026 um 10:00 schrieb {SHOP}:", "> Gern"),
        (f"Le lun. 4 mai 2026 à 10:00, {SHOP} a écrit :", "> Volontiers"),
        ("El lun, 4 may 2026 a las 10:00, Shop (<help@shop.example>) escribió:", "> Vale"),
        (f"Il giorno lun 4 mag 2026 10:00 {SHOP} ha scritto:", "> Va bene"),
        (f"Op ma 4 mei 2026 om 10:00 schreef {SHOP}:", "> Graag"),
        (f"Em seg., 4 de mai. de 2026 às 10:00, {SHOP} escreveu:", "> Certo"),
        (f"пн, 4 мая 2026 г. в 10:00, {SHOP}:", "> Хорошо"),
        (f"2026年5月4日(月) 10:00 {SHOP}:", "> はい"),
        ("-----Original Message-----", f"From: {SHOP}\nSubject: An order\n\nGladly"),
        (f"From: {SHOP}\nSent: Monday, May 4, 2026 10:00\nTo: Ada\nSubject: An order", "\nGladly"),
        (f"Von: {SHOP}\nGesendet: Montag, 4. Mai 2026 10:00\nAn: Ada\nBetreff: x", "\nGern"),
        (f"De : {SHOP}\nEnvoyé : lundi 4 mai 2026 10:00\nÀ : Ada\nObjet : x", "\nOui"),
        ("От: Shop\nОтправлено: четверг, 4 мая 2026 г. 15:05\nКому: Ada", "\nХорошо"),
        ("", "> Gladly\n> indeed"),
    ],
)
def test_the_quoted_history_is_left_out_in_many_languages(introduction: str, quoted: str) -> None:
    assert new_text(f"Thank you!\nAda\n\n{introduction}\n{quoted}\n") == "Thank you!\nAda"


def test_answers_between_and_below_quoted_lines_are_kept() -> None:
    text = f"On 4 May 2026 at 10:00, {SHOP} wrote:\n\n> Which size?\n\nLarge.\n\n> Which colour?\nBlue.\n"
    assert new_text(text) == "Large.\n\nBlue."
    assert new_text("On 4 May 2026 10:26 PM, Bob wrote:\n> Hi\nHello") == "Hello"


@pytest.mark.parametrize(
    "subject", ["Fwd: bill", "FW: bill", "WG: Rechnung", "TR : facture", "Rv: x"]
)
def test_a_forwarded_mail_keeps_all_of_it(subject: str) -> None:
    text = f"See below\n\nFrom: {SHOP}\nSent: Monday\nSubject: bill\n\nPlease pay."
    assert new_text(text, subject) == text
    assert new_text(text, f"Re: {subject}") == "See below"


def test_a_forwarding_mark_keeps_all_of_it_without_a_subject() -> None:
    text = f"FYI\n\n---------- Forwarded message ---------\nFrom: {SHOP}\nDate: Mon\nSubject: x\n\nMoney back"
    assert new_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Hi, please book:\nFrom: Berlin\nTo: Munich\nDate: 12.05.2026\n2 persons",
        "Hello,\nOn Monday I wrote:\nplease cancel my order.",
        "I have three questions:\n\n- one\n- two\n\n-- \nAda\nSent from my phone",
        "> all of it\n> is quoted",
        "a\n\n\n\nb",
        "price >100 and <5",
        "2 -- 3",
        "",
    ],
)
def test_what_only_resembles_a_quotation_stays(text: str) -> None:
    assert new_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "On " * 100_000, ("On " + "a " * 300 + "\nb:\n") * 4_000, "> " * 100_000, "From: x\n" * 19_000, ":\n" * 19_000,
        "-" * 200_000, "\n" * 19_000 + "x", " \n" * 15_000 + "x", "2026年5月4日 " * 20_000, "- " * 100_000, "_" * 200_000,
        "x\n" * 300_000, "a@" * 100_000 + ":", ("Am " + "x" * 150 + ":\n") * 9_000, "<" * 100_000, ">\n" * 19_000,
    ],
    ids=range(16),
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    new_text(text, "Re: " * 1_000)
    assert time.perf_counter() - started < 2


def test_no_html_takes_long() -> None:
    pieces = (
        "<div>",
        "<",
        "<!--",
        "&",
        "<a href='",
        '<a href="',
        "<a b=' c=\"",
        "</",
        "</a ",
        "<?",
        "<!x ",
        "<![CDATA[",
    )
    more = (
        "<script>",
        "<script ",
        "<a ",
        "b=",
        "&#x",
        "<blockquote>",
        "<title>",
        "</p>",
        "<li>x",
        "<pre>\n",
    )
    for piece in pieces + more:
        started = time.perf_counter()
        html_to_text(piece * 20_000)
        assert time.perf_counter() - started < 2, piece


WORDS = (
    "Hello", "> quoted", ">> old", "", "-- ", "On 4 May 2026 at 10:00, Bob wrote:", "From: a@b.c", "Sent: now", ">x", " ", "a:",
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_the_new_text_has_only_lines_of_the_mail_in_their_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    text = "\n".join(chance.choice(WORDS) for _ in range(chance.randrange(14)))
    found = iter(text.strip("\r\n").split("\n"))
    kept = new_text(text)
    assert all(line in found for line in kept.split("\n") if line.strip())
    assert bool(kept.strip()) == bool(text.strip())


# what the projects expect that the real files come from: the visible text, without its white space
EXPECTED_GITHUB = {
    "email_1_1": ("Hi folks", "Java HTTP API."),
    "email_1_2": ("Hi,", "delete them all individually.\""),
    "email_1_3": ("Oh thanks.", "Having the function would be great."),
    "email_1_4": ("Awesome! I haven't had another problem with it.",),
    "email_1_5": ("One: Here's what I've got.", "for a while."),
    "email_1_6": ("I get proper rendering as well.",),
    "email_1_7": (":+1:",),
    "email_1_8": ("I will reply under this one", "and under this."),
    "email_2_1": ("Outlook with a reply",),
    "email_2_2": ("Outlook with a reply directly above line",),
    "email_2_3": ("Outlook with a reply directly above line",),
    "email_bullets": ("test 2 this should list second", "- and another"),
    "email_one_is_not_on": ("One outstanding question I had:", "when I run..."),
    "greedy_on": ("On your remote host you can run:", "tunnel is not working."),
    "pathological": ("I think you're onto something.", "get back to a computer."),
    "correct_sig": ("this is an email with a correct -- signature.",),
    "email_sent_from_my_not_signature": ("Sent from my desk, is much easier then my mobile phone.",),
    "email_sig_delimiter_in_middle_of_line": ("And here is a fix -- this is not a signature.", "kthxbai"),
}  # fmt: skip
EXPECTED_TALON = {"standard_replies_iphone": "Hello Sent from my iPhone", "standard_replies_sparrow":
    "Hello -- xxx Sent with Sparrow (http://www.sparrowmailapp.com/?sig)"}  # fmt: skip
QUOTED_PARTS = ("> ", "wrote:", "CRM Comments", "Google Apps Sync Team", "GQ227366")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize(
    "path", recorded("email/reply_text_github", "*"), ids=lambda each: each.stem
)
def test_real_replies_have_what_their_origin_expects(path: Path) -> None:
    text = new_text(path.read_text())
    for expected in EXPECTED_GITHUB.get(path.stem, ("Here is another email",)):
        assert expected in text
    assert not any(each in text for each in QUOTED_PARTS)


@pytest.mark.parametrize("path", recorded("email/reply_talon", "*.eml"), ids=lambda each: each.stem)
def test_real_replies_of_many_programs_are_read(path: Path) -> None:
    mail = read_mail(path.read_bytes())
    text = new_text(mail.text or "", mail.decoded("subject"))
    assert squeezed(text) == EXPECTED_TALON.get(path.stem, "Hello")


@pytest.mark.parametrize(
    "path", recorded("email/reply_talon", "*.html"), ids=lambda each: each.stem
)
def test_real_replies_in_html_are_read(path: Path) -> None:
    text = new_text(html_to_text(path.read_text(errors="replace")))
    assert squeezed(text) == "Hi. I am fine. Thanks, Alex"
