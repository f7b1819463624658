"""Files of people: how they may look, and where they may lie."""

import csv
import io
import os
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.answers.imports import nobody
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.imports import csv_file, shared_folder
from cleanlist_mcp.imports.csv_file import CsvPeople, read_csv
from cleanlist_mcp.imports.csv_titles import columns_of
from cleanlist_mcp.imports.preparing import prepare
from cleanlist_mcp.people.identity import Person
from tests.people_written import rules


def file_with(folder: Path, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    (folder / "people.csv").write_bytes(data)
    return "people.csv"


def people_in(folder: Path, content: str | bytes) -> CsvPeople:
    return read_csv(file_with(folder, content), folder)


def refusal(path: str, folder: Path | None) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as refused:
        read_csv(path, folder)
    return refused.value


def refusal_of(folder: Path, content: str | bytes) -> InvalidArguments:
    return refusal(file_with(folder, content), folder)


def test_a_file_is_read_with_rows_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    found = people_in(tmp_path, "Email Address,Fax\na@b.example,1\n\n,,\nc@d.example,2\n")
    assert found.rows == ((2, {"email": "a@b.example"}), (5, {"email": "c@d.example"}))
    assert found.unused == ("Fax",)
    assert found.notes == ()
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("titles", "fields"),
    [
        (
            "First Name,Last Name,Title,Company,Email,Website,Person Linkedin Url",
            "first_name last_name title company_name email domain linkedin_url",
        ),
        ("E-mail,Given name,SURNAME,Organization", "email first_name last_name company_name"),
        ("Work Email,LinkedIn Profile,Position", "email linkedin_url title"),
        ("work_email,company-domain,Job Title,LinkedIn", "email domain title linkedin_url"),
        ("Vorname,Name,Firma,E-Mail-Adresse", "first_name last_name company_name email"),
        ("Vorname,Nachname,Unternehmen,Webseite", "first_name last_name company_name domain"),
        ("Nom,Prénom,Société,Fonction", "last_name first_name company_name title"),
        ("Nombre,Apellidos,Empresa,Correo", "first_name last_name company_name email"),
        ("Correo electro\u0301nico,Puesto", "email title"),
        ("Name,Company Name", "full_name company_name"),
        ("person_id,Full Name,Firma", "person_id full_name company_name"),
        ("Cleanlist Person ID,Emails", "person_id email"),
        ("Company / Account,Emails,Jobtitel", "company_name email title"),
        ("Associated Company,Profile URL", "company_name linkedin_url"),
        ("Person - Name,Person - Organization,Person - Email - Work", "full_name company_name email"),
        ("Organization 1 - Name,Organization 1 - Title,Email", "company_name title email"),
        ("profileUrl,companyUrl", "linkedin_url domain"),
        ("Guest First Name,Guest Last Name,Current Employer", "first_name last_name company_name"),
        ("Vorname,Nachname,Aktuelle Firma,Aktueller Titel", "first_name last_name company_name title"),
        ("Vorname,Nachname,Name,Firma", "first_name last_name full_name company_name"),
    ],
)
def test_titles_as_people_write_them_are_understood(titles: str, fields: str) -> None:
    columns, unclear = columns_of(titles.split(","))
    assert columns == {field: [index] for index, field in enumerate(fields.split())}
    assert unclear == []


@pytest.mark.parametrize("titles", ["person_id", "Cleanlist Person ID,Title", "person_id,First Name"])
def test_a_file_that_names_people_by_their_ids_alone_is_told_who_takes_ids(titles: str) -> None:
    with pytest.raises(InvalidArguments, match="person_id cannot be imported; enrich_person takes it"):
        columns_of(titles.split(","))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["First Name", "Last Name", "Company"], ["Ada", "Lovelace", "A, B; C | D"]]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    found = people_in(tmp_path, text.getvalue())
    assert dict(found.rows[0][1]) == {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "company_name": "A, B; C | D",
    }


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;", '"sep=;";;'])
def test_the_line_that_declares_the_delimiter_is_no_row(tmp_path: Path, line: str, mark: str) -> None:
    found = people_in(tmp_path, f"{mark}{line}\r\nEmail;Title\r\na@b.example;x, y\r\n")
    assert found.rows == ((2, {"email": "a@b.example", "title": "x, y"}),)


def test_spaces_after_the_delimiter_do_not_count(tmp_path: Path) -> None:
    found = people_in(tmp_path, 'Email, "First Name", Company\na@b.example, "Ada, B", N\n')
    assert found.rows[0][1] == {"email": "a@b.example", "first_name": "Ada, B", "company_name": "N"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_encodings_are_read_without_a_note(tmp_path: Path, encoding: str) -> None:
    found = people_in(tmp_path, "Email,Vorname\r\na@b.example,Zoë 田\r\n".encode(encoding))
    assert found.rows == ((2, {"email": "a@b.example", "first_name": "Zoë 田"}),)
    assert found.notes == ()


def test_big_endian_utf_16_is_read_by_its_mark(tmp_path: Path) -> None:
    found = people_in(tmp_path, b"\xfe\xff" + "Email;Notiz\na@b.example;ü\n".encode("utf-16-be"))
    assert found.rows[0][1] == {"email": "a@b.example"}


def test_windows_1252_is_read_and_said(tmp_path: Path) -> None:
    found = people_in(tmp_path, "Email;Société\na@b.example;Müller \u2013 Söhne\n".encode("cp1252"))
    assert found.rows[0][1]["company_name"] == "Müller \u2013 Söhne"
    assert "Windows-1252" in found.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "José Muñoz,Société Générale de l\u2019Été \u2013 Büro 200 m²",
        "Søren Ångström,Œuvres & Fils « à côté »",
        "Þórður Sæþórsson,Íslensk erfðagreining",
        "RENÉE MÜLLER,GRÖSSE & SÖHNE 5 €",
        "Tõnu Kõiv,Vão João Conceição",
        "Gesù Forlì,Più £5m",
    ],
)
def test_western_text_is_plausible_as_windows_1252(tmp_path: Path, text: str) -> None:
    found = people_in(tmp_path, f"Email,First Name,Company\na@b.example,{text}\n".encode("cp1252"))
    first, company = text.split(",")
    assert found.rows[0][1] == {"email": "a@b.example", "first_name": first, "company_name": company}


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1251", "Иван Петров"),
        ("cp1251", "Ли"),
        ("koi8-r", "Иван Петров"),
        ("cp1253", "Νίκος"),
        ("gbk", "王小明"),
        ("big5", "王小明"),
        ("shift_jis", "さくら"),
        ("shift_jis", "山田太郎"),
        ("euc-kr", "김민준"),
        ("mac_roman", "José"),
        ("mac_roman", "Müller"),
        ("cp850", "Jürgen Müller"),
        ("cp1250", "Łukasz Zięba"),
        ("cp1250", "Paweł"),
        ("cp1250", "Jiří Dvořák"),
    ],
)
def test_text_in_another_encoding_is_refused_and_not_imported_wrongly(
    tmp_path: Path, encoding: str, name: str
) -> None:
    error = refusal_of(tmp_path, f"Email,First Name\na@b.example,{name}\n".encode(encoding))
    assert "known encoding" in error.message
    assert '"CSV UTF-8"' in error.next_step


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_not_utf_8_costs_its_row_alone(tmp_path: Path, mark: bytes) -> None:
    rows = "a@b.example,Zoë,x\nc@d.example,Jürgën,x\n".encode()
    bad = b"e@f.example,Jos\xe9,x\ng@h.example,Bo,\xe9\n"
    found = people_in(tmp_path, mark + b"Email,First Name,Notes\n" + rows + bad)
    assert [row["first_name"] for _, row in found.rows] == ["Zoë", "Jürgën", "Bo"]
    assert [(note.row, note.reason) for note in found.skipped] == [(4, "has bytes that are not UTF-8")]
    assert found.notes == ()


def test_text_that_is_half_utf_8_is_refused(tmp_path: Path) -> None:
    rows = "a@b.example,José\n".encode() + "c@d.example,José\n".encode("cp1252")
    assert "known encoding" in refusal_of(tmp_path, b"Email,First Name\n" + rows).message


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04 a spreadsheet",
        "Email\na@b.example\n".encode("utf-16-le"),
        b"\xef\xbb\xbfEmail\n\xff@b.example\n",
        b"Email\n\x81\x8d@b.example\n",
        b"\xff\xfeE",
    ],
)
def test_bytes_that_are_no_known_text_are_refused(tmp_path: Path, data: bytes) -> None:
    error = refusal_of(tmp_path, data)
    assert "known encoding" in error.message
    assert "CSV UTF-8" in error.next_step


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", " , \n,\n"])
def test_an_empty_file_is_refused_as_empty(tmp_path: Path, content: str) -> None:
    assert refusal_of(tmp_path, content).message == "The CSV file is empty."


def test_titles_without_rows_are_refused(tmp_path: Path) -> None:
    assert "no rows" in refusal_of(tmp_path, "Email,Company\n\n").message


def test_a_file_without_titles_is_refused_without_naming_anyone(tmp_path: Path) -> None:
    error = refusal_of(tmp_path, "Ada,Lovelace,ada@northwind.example\n")
    assert (
        error.message == "The first row of the CSV file is somebody's data, and no row of titles was found."
    )
    assert "Ada" not in error.message + error.next_step
    assert "First Name" in error.next_step


@pytest.mark.parametrize(
    "content",
    [
        "https://www.linkedin.com/in/ada\nhttps://www.linkedin.com/in/bo\n",
        "ada@quill.example\nbo@quill.example\n",
    ],
)
def test_the_first_person_of_a_file_without_titles_is_not_lost_as_one(tmp_path: Path, content: str) -> None:
    assert "no row of titles" in refusal_of(tmp_path, content).message


def test_titles_of_which_none_is_known_are_named(tmp_path: Path) -> None:
    error = refusal_of(tmp_path, "Kontakt;Person ID\nAda;7\n")
    assert error.message.endswith("is a known one. Not understood: Kontakt, Person ID.")


def test_columns_that_identify_nobody_are_refused_with_those_not_understood(tmp_path: Path) -> None:
    error = refusal_of(tmp_path, "First Name,Company,Sirname,x@y.example\nAda,Northwind,Fable,1\n")
    assert "missing last_name" in error.message
    assert error.message.endswith("Not understood: Sirname, column 4.")
    assert "understood" not in refusal_of(tmp_path, "First Name,Company\nAda,Northwind\n").message


def test_columns_that_say_nothing_of_a_person_are_refused_in_plain_words(tmp_path: Path) -> None:
    unknown = ",".join(f"field {n}" for n in range(12))
    error = refusal_of(tmp_path, f"Job Title,{unknown}\nEngineer\n")
    assert error.message.startswith("No column of the CSV file says who is meant. Not understood: field 0, ")
    assert error.message.endswith("field 9 and 2 more.")


def test_a_file_whose_rows_identify_nobody_is_refused_with_the_columns_that_were_not_used(
    tmp_path: Path,
) -> None:
    found = people_in(tmp_path, "Email,Fax\n-,12\n")
    error = nobody(prepare(found.rows).skipped, found.unused)
    assert error.message == "No row identifies anybody, so nothing was sent. Columns not used: Fax."


def test_an_id_of_another_system_identifies_nobody(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, "Person ID,Company\n7,Northwind\n").message.endswith("understood: Person ID.")
    assert people_in(tmp_path, "Person ID,Email\n7,a@b.example\n").unused == ("Person ID",)


def test_of_two_columns_of_addresses_the_one_for_work_counts_and_the_answer_says_which(
    tmp_path: Path,
) -> None:
    found = people_in(tmp_path, "Email,Work Email\na@b.example,c@d.example\n ,e@f.example\ng@h.example,\n")
    assert [record["email"] for _, record in found.rows] == ["c@d.example", "e@f.example", "g@h.example"]
    assert found.notes == (
        "E-mail addresses come from Work Email (2) and Email (1); a work address counts before a private one.",
    )


def test_of_two_columns_of_another_field_the_first_that_is_filled_counts(tmp_path: Path) -> None:
    found = people_in(tmp_path, "Email,Company,Employer\na@b.example,N,M\nc@d.example,-,M\n")
    assert [record["company_name"] for _, record in found.rows] == ["N", "M"]
    assert found.notes == (
        "More than one column is company_name: in each row the first one that can be used counts.",
    )


def test_a_gap_or_rubbish_does_not_hide_what_another_column_of_the_field_has(tmp_path: Path) -> None:
    rows = "N/A,ada@fable.example\nask Bo,bo@fable.example\nask Cy,none\n"
    found = people_in(tmp_path, f"Email,Work Email\n{rows}")
    assert [record["email"] for _, record in found.rows] == [
        "ada@fable.example",
        "bo@fable.example",
        "ask Cy",
    ]


def test_a_gap_in_a_name_does_not_hide_the_full_name(tmp_path: Path) -> None:
    found = people_in(tmp_path, "First Name,Last Name,Full Name,Company\n-,Fable,Ada Fabel,N\n")
    person = prepare(found.rows).accepted[0].person
    assert person == Person(first_name="Ada", last_name="Fable", company_name="N")


def test_a_companys_page_in_a_column_of_addresses_is_no_domain(tmp_path: Path) -> None:
    found = prepare(people_in(tmp_path, "Email,companyUrl\na@b.example,linkedin.com/company/1\n").rows)
    assert found.accepted[0].person == Person(email="a@b.example")
    assert "page on another site" in found.notes[0].reason


def test_columns_that_mean_nothing_here_are_named(tmp_path: Path) -> None:
    found = people_in(tmp_path, "Email,Notes,,x@y.example,\na@b.example,n,1,2,\n")
    assert found.unused == ("Notes", "column 3 (no title)", "column 4")


def test_a_column_without_a_title_is_named_where_it_holds_something_and_costs_no_row(tmp_path: Path) -> None:
    found = people_in(tmp_path, "Email,,Company,#, \na@b.example,,N,x,\nc@d.example,,N,,\n")
    assert len(found.rows) == 2
    assert found.unused == ("column 4 (no title)",)


def test_linkedins_own_export_is_understood(tmp_path: Path) -> None:
    found = people_in(
        tmp_path,
        'Notes:\n"When exporting your connection data, ""some"" addresses, may be missing."\n\n'
        "First Name,Last Name,URL,Email Address,Company,Position,Connected On\n"
        "Ada,Fable,https://www.linkedin.com/in/ada-fable,,Northwind,Engineer,21 Nov 2026\n",
    )
    assert found.rows == (
        (
            5,
            {
                "first_name": "Ada",
                "last_name": "Fable",
                "linkedin_url": "https://www.linkedin.com/in/ada-fable",
                "company_name": "Northwind",
                "title": "Engineer",
            },
        ),
    )
    assert found.unused == ("Connected On",)
    assert found.notes == ("Rows above the titles, not read: 2.",)


def test_titles_are_shown_clean_and_short(tmp_path: Path) -> None:
    found = people_in(tmp_path, f"Email,ev\u202eil\u200b,{'x' * 99}\na@b.example,,\n")
    assert found.unused == ("evil", "x" * 39 + "…")


def test_more_columns_than_anyone_needs_are_refused(tmp_path: Path) -> None:
    titles = ",".join(["Email", *(f"c{n}" for n in range(200))])
    assert "200 columns" in refusal_of(tmp_path, f"{titles}\na@b.example\n").message


def test_the_empty_columns_a_spreadsheet_adds_do_not_count(tmp_path: Path) -> None:
    found = people_in(tmp_path, f"Email{',' * 500}\na@b.example{',' * 600}\n")
    assert found.rows == ((2, {"email": "a@b.example"}),)
    assert found.unused == ()


def test_a_short_row_is_read_and_said_and_a_long_one_is_skipped(tmp_path: Path) -> None:
    text = "Email,Company,Title\na@b.example\nc@d.example,Acme, Inc.,Boss\ne@f.example,A,B,,\n"
    found = people_in(tmp_path, text)
    assert [number for number, _ in found.rows] == [2, 4]
    assert [note.row for note in found.skipped] == [3]
    assert "unquoted" in found.skipped[0].reason
    assert found.notes == ("Rows with fewer cells than the title row: 1; what is missing is empty.",)


def test_a_line_break_inside_quotes_stays_in_its_cell(tmp_path: Path) -> None:
    found = people_in(tmp_path, 'Email,Title\r\na@b.example,"Head\r\nof ""R&D"""\r\nc@d.example,x')
    assert [number for number, _ in found.rows] == [2, 3]
    assert prepare(found.rows).accepted[0].person.title == 'Head of "R&D"'


@pytest.mark.parametrize(
    "rows",
    ['a@b.example,x\nc@d.example,"never closed\ne@f.example,y\n', 'a@b.example,x\n"c"d@e.example,y\n'],
)
def test_broken_quotes_are_refused_with_the_row(tmp_path: Path, rows: str) -> None:
    error = refusal_of(tmp_path, f"Email,Title\n{rows}")
    assert "row 3" in error.message
    assert "quotation mark" in error.next_step


def test_a_quotation_mark_within_a_word_is_no_broken_quote(tmp_path: Path) -> None:
    assert people_in(tmp_path, 'Email,Title\na@b.example,5" pipes\n').rows[0][1]["title"] == '5" pipes'


def test_nuls_and_old_line_ends_do_no_harm(tmp_path: Path) -> None:
    found = people_in(tmp_path, b"Em\0ail,Title\ra@b.ex\0ample,Bo\0ss\r")
    assert prepare(found.rows).accepted[0].person == Person(email="a@b.example", title="Boss")


def test_a_huge_quoted_cell_costs_its_own_row_only(tmp_path: Path) -> None:
    inside = "p0@x.example,planted\n" * 20_000
    found = people_in(tmp_path, f'Email,Title\na@b.example,"{inside}"\nc@d.example,x\n')
    sorted_out = prepare(found.rows)
    assert [(note.row, note.reason) for note in sorted_out.skipped] == [
        (2, "title is longer than 300 characters")
    ]
    assert [lead.person.email for lead in sorted_out.accepted] == ["c@d.example"]


def test_a_cell_that_is_cut_while_reading_is_still_too_long(tmp_path: Path) -> None:
    rows = f"Ada Lovelace{' ' * 5_000},Northwind,\n,,linkedin.com/in/ada?{'x' * 5_000}\n"
    found = prepare(people_in(tmp_path, f"Name,Company,LinkedIn\n{rows}").rows)
    assert [note.reason for note in found.skipped] == [
        "full_name is longer than 400 characters",
        "linkedin_url is longer than 500 characters",
    ]


def test_ten_thousand_rows_are_read_and_one_more_is_refused(tmp_path: Path) -> None:
    lines = [f"p{n}@x.example" for n in range(10_000)]
    found = people_in(tmp_path, "\n".join(["Email", *lines]))
    assert found.rows[-1] == (10_001, {"email": "p9999@x.example"})
    error = refusal_of(tmp_path, "\n".join(["Email", *lines, "one@more.example"]))
    assert "more than 10,000 rows" in error.message
    assert "Split" in error.next_step


@pytest.mark.long
def test_reading_needs_little_more_memory_than_the_file_and_its_people(tmp_path: Path) -> None:
    row = f"p@x.example,{'y' * 900}\n"
    path = file_with(tmp_path, "Email,Unused notes\n" + row * 9_900)
    tracemalloc.start()
    try:
        read_csv(path, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * os.path.getsize(tmp_path / path)


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "people.csv", "wb") as file:
        file.truncate(shared_folder.MAX_FILE_BYTES + 1)
    assert "bigger than 10 MB" in refusal("people.csv", tmp_path).message


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_with(tmp_path, "Email\n" + "a@b.example\n" * 10)
    status = list(os.stat(tmp_path / path)[:10])
    status[stat.ST_SIZE] = 0
    monkeypatch.setattr(shared_folder, "MAX_FILE_BYTES", 50)
    monkeypatch.setattr(os, "fstat", lambda descriptor: os.stat_result(status))
    assert "bigger than" in refusal(path, tmp_path).message


def test_without_a_folder_reading_is_off(tmp_path: Path) -> None:
    error = refusal(str(tmp_path / file_with(tmp_path, "Email\na@b.example\n")), None)
    assert "switched off" in error.message
    assert "CLEANLIST_CSV_DIR" in error.next_step


def test_a_folder_that_is_gone_is_named_as_the_fault(tmp_path: Path) -> None:
    assert "cannot be reached" in refusal("people.csv", tmp_path / "gone").message


def test_a_file_may_be_given_by_its_whole_path_or_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / "q3").mkdir()
    file_with(tmp_path / "q3", "Email\na@b.example\n")
    for path in ("q3/people.csv", str(tmp_path / "q3" / "people.csv"), "q3/../q3/people.csv"):
        assert len(read_csv(path, tmp_path).rows) == 1


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder to read from, beside a file that must stay unread."""
    file_with(tmp_path, "Email\nsecret@x.example\n")
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


def test_nothing_outside_the_folder_is_read_nor_told_apart(outside: Path) -> None:
    os.symlink(outside.parent / "people.csv", outside / "link.csv")
    os.symlink(outside.parent, outside / "up")
    (outside.parent / "inside-too").mkdir()
    file_with(outside.parent / "inside-too", "Email\na@b.example\n")
    ways = ["../people.csv", "link.csv", "up/people.csv", "../inside-too/people.csv"]
    ways += [str(outside.parent / "people.csv"), "../nothing-here.csv", "x/../../people.csv"]
    assert {refusal(path, outside).message for path in ways} == {
        "The CSV file is not inside the folder that CLEANLIST_CSV_DIR names."
    }


def test_a_link_that_stays_inside_and_a_linked_folder_are_fine(outside: Path) -> None:
    file_with(outside, "Email\na@b.example\n")
    os.symlink("people.csv", outside / "link.csv")
    os.symlink(outside, outside.parent / "alias")
    assert len(read_csv("link.csv", outside.parent / "alias").rows) == 1


def test_a_link_put_in_place_of_the_file_is_not_followed(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(outside.parent / "people.csv", outside / "link.csv")
    monkeypatch.setattr(shared_folder, "_inside", lambda path, folder: folder / path)
    assert "can be read" in refusal("link.csv", outside).message


def swap_when_opened(
    monkeypatch: pytest.MonkeyPatch, swap: Callable[[], None], back: Callable[[], None]
) -> None:
    open_at_once = shared_folder._open_at_once

    def opened(path: str, flags: int) -> int:
        swap()
        try:
            return open_at_once(path, flags)
        finally:
            back()

    monkeypatch.setattr(shared_folder, "_open_at_once", opened)


@pytest.mark.parametrize("put_back", [False, True])
def test_a_link_put_in_place_of_a_folder_leads_nowhere(
    outside: Path, monkeypatch: pytest.MonkeyPatch, put_back: bool
) -> None:
    folder = outside / "q3"
    folder.mkdir()
    file_with(folder, "Email\na@b.example\n")

    def swap() -> None:
        folder.rename(outside / "away")
        os.symlink(outside.parent, folder)

    def back() -> None:
        if put_back:
            folder.unlink()
            (outside / "away").rename(folder)

    swap_when_opened(monkeypatch, swap, back)
    said = "can be read" if put_back else "not inside the folder"
    assert said in refusal("q3/people.csv", outside).message


def test_a_wrong_name_is_answered_with_the_files_that_are_there_the_likeliest_first(outside: Path) -> None:
    for name in ("accounts.csv", "people q3.CSV", "notes.txt", "e\u202evil.csv"):
        (outside / name).touch()
    for path in ("people.csv", "q3/people-q3.csv", "../people.csv"):
        error = refusal(path, outside)
        assert 'these CSV files: "people q3.CSV", ' in error.next_step
        assert '"accounts.csv"' in error.next_step and '"evil.csv"' in error.next_step
        assert "notes" not in error.next_step


def test_of_many_files_ten_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    assert refusal("x.csv", tmp_path).next_step.endswith("It has no CSV files.")
    for number in range(12):
        (tmp_path / f"{number}.csv").touch()
    assert refusal("11.cvs", tmp_path).next_step.count('"') == 20
    assert '"11.csv"' in refusal("11.cvs", tmp_path).next_step
    assert refusal("11.cvs", tmp_path).next_step.endswith(" and 2 more.")


@pytest.mark.parametrize("path", ["", ".", "gone.csv", "a\0b.csv", "x" * 5_000, "loop.csv"])
def test_what_is_no_file_gets_one_plain_answer(tmp_path: Path, path: str) -> None:
    os.symlink("loop.csv", tmp_path / "loop.csv")
    assert refusal(path, tmp_path).message == "There is no CSV file at csv_path that can be read."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert "can be read" in refusal("pipe.csv", tmp_path).message


def test_full_names_fill_only_what_is_missing_of_the_two(tmp_path: Path) -> None:
    text = "Full Name,First Name,Last Name,Company\nA B,Ada,Lovelace,N\nC D,,,N\nE F,Eve,,N\n"
    found = prepare(people_in(tmp_path, text).rows)
    names = [(lead.person.first_name, lead.person.last_name) for lead in found.accepted]
    assert names == [("Ada", "Lovelace"), ("C", "D"), ("Eve", "F")]


@rules
@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=4), max_size=6))
def test_every_row_of_any_table_is_read_or_skipped(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["Email", "Title"], *rows])
    text.seek(0)
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if not filled:
        with pytest.raises(InvalidArguments, match="no rows"):
            csv_file.people_of(csv_file._records(text, ","))
        return
    found = csv_file.people_of(csv_file._records(text, ","))
    assert len(found.rows) + len(found.skipped) == len(filled)


@pytest.mark.parametrize(
    "note",
    ["50 m³", "3 \u00d7 2 ½", "±10 %", "co\u2013founder", "N°client", "Berlin\u2013based", "‰ of sales"],
)
def test_signs_that_office_programs_write_are_no_reason_to_refuse_a_file(tmp_path: Path, note: str) -> None:
    content = f"Email,First Name,Note\na@b.example,Zoë,{note}\n".encode("cp1252")
    found = people_in(tmp_path, content)

    assert found.rows[0][1]["first_name"] == "Zoë"


def test_a_row_that_reads_like_titles_is_a_row(tmp_path: Path) -> None:
    found = people_in(tmp_path, "Email,Lead Source,Source Detail\nb@c.example,LinkedIn,Website\n")

    assert [record["email"] for _, record in found.rows] == ["b@c.example"]
