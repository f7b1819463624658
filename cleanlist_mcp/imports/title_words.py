# ruff: noqa: RUF001
"""Titles of columns as people and the common tools write them, in many languages: data alone.

Case, accents, spaces and punctuation do not matter.
"""

from collections.abc import Mapping

from cleanlist_mcp.people.name_words import word_set

TITLES: Mapping[str, tuple[str, ...]] = {
    "email": (
        "электронная почта", "почта", "эл. почта", "адрес электронной почты", "邮箱", "电子邮箱", "电子邮件",
        "邮件", "電子郵件", "이메일", "이메일 주소", "sähköposti", "sähköpostiosoite", "e-posta", "eposta",
        "e-posta adresi", "e-mail cím", "email cím", "adresă de email", "ηλεκτρονικό ταχυδρομείο",
        "البريد الإلكتروني",
        "email", "email address", "mail", "work email", "work email address", "business email", "email business",
        "professional email", "contact email", "primary email", "personal email", "email 1 value", "emails",
        "person email", "person email work", "person email home", "person email other", "mail address", "email id",
        "corporate email", "company email", "private email", "home email", "other email", "secondary email",
        "additional email", "alternative email", "recommended email", "verified email", "direct email", "best email",
        "found email", "email work", "email home", "email personal", "e mail address work",
        "e-mail-adresse", "mailadresse", "geschäftliche e-mail", "e-mail geschäftlich", "private e-mail",
        "e-mail privat", "e-mail dienstlich", "courriel", "adresse email", "adresse mail", "adresse courriel",
        "mail professionnel", "email professionnel", "email pro", "mail pro", "email personnel", "correo",
        "correo electrónico", "dirección de correo", "dirección de correo electrónico", "correo de trabajo",
        "indirizzo email", "indirizzo e-mail", "posta elettronica", "email aziendale", "email lavoro",
        "e-mailadres", "mailadres", "zakelijk e-mailadres", "endereço de email", "endereço de e-mail",
        "correio eletrónico", "correio eletrônico", "email corporativo", "adres e-mail", "adres email",
        "email służbowy", "e-post", "e-postadress", "e-postadresse", "epost", "mailadress", "e-mailadresse",
        "mejl", "e-mailová adresa", "メール", "メールアドレス", "eメール", "電子メール",
    ),
    "linkedin_url": (
        "linkedin", "linkedin url", "linkedin profile", "linkedin profile url", "linkedin link", "linkedin address",
        "linkedin profile link", "linkedin page", "person linkedin", "person linkedin url", "contact linkedin url",
        "linkedin contact profile url", "linkedin url public", "linkedin public url", "profile url",
        "public profile url", "default profile url", "sales navigator url", "sales nav url",
        "linkedin sales navigator",
        "linkedin-profil", "linkedin-seite", "linkedin-link", "profil linkedin", "lien linkedin",
        "perfil de linkedin",
        "perfil linkedin", "url linkedin", "profilo linkedin", "linkedin-profiel", "linkedin adres",
    ),
    "person_id": ("cleanlist person id",),
    "first_name": (
        "имя", "이름", "etunimi", "ad", "adı", "keresztnév", "utónév", "prenume", "όνομα", "ime",
        "krstné meno", "nama depan", "الاسم الأول",
        "first name", "first", "given name", "given names", "forename", "christian name", "fname", "name first",
        "vorname", "vornamen", "rufname", "prénom", "prénoms", "nombre de pila", "nombres", "primer nombre",
        "nome di battesimo", "voornaam", "roepnaam", "nome próprio", "primeiro nome", "imię", "imiona", "förnamn",
        "fornavn", "jméno křestní", "křestní jméno", "名", "名前 名", "ファーストネーム",
    ),
    "last_name": (
        "фамилия", "성", "sukunimi", "soyad", "soyadı", "vezetéknév", "családnév", "nume de familie",
        "επώνυμο", "prezime", "priezvisko", "nama belakang", "اسم العائلة",
        "last name", "last", "surname", "family name", "lname", "name last", "second name", "nachname",
        "familienname", "zuname", "nom de famille", "apellido", "apellidos", "primer apellido", "cognome",
        "achternaam", "familienaam", "sobrenome", "apelido", "último nome", "nazwisko", "efternamn", "efternavn",
        "etternavn", "příjmení", "姓", "名前 姓", "苗字", "名字",
    ),
    "full_name": (
        "фио", "ф.и.о.", "полное имя", "контактное лицо", "姓名", "联系人", "聯絡人", "성명", "담당자", "koko nimi",
        "yhteyshenkilö", "ad soyad", "adı soyadı", "isim soyisim", "teljes név", "kapcsolattartó",
        "nume complet", "nume și prenume", "persoană de contact", "ονοματεπώνυμο", "ime i prezime",
        "meno a priezvisko", "kontaktná osoba", "nama lengkap", "الاسم الكامل",
        "full name", "contact name", "person name", "lead name", "contact person", "name of contact",
        "primary contact", "main contact", "contact full name", "attendee", "attendee name", "display name",
        "vollständiger name", "vor- und nachname", "name vorname", "nachname vorname", "vor-/nachname",
        "vorname nachname", "ansprechpartner",
        "ansprechpartnerin", "ansprechpartner/in", "kontaktperson", "nom complet", "prénom et nom", "nom et prénom",
        "nom prénom", "personne de contact", "interlocuteur", "nombre completo", "nombre y apellidos",
        "persona de contacto", "nome completo", "nominativo", "nome e cognome", "cognome e nome", "referente",
        "persona di contatto", "volledige naam", "contactpersoon", "nome e apelido", "pessoa de contato",
        "imię i nazwisko", "nazwisko i imię", "osoba kontaktowa", "fullständigt namn", "för- och efternamn",
        "kontaktperson", "fulde navn", "fullt navn", "celé jméno", "jméno a příjmení", "kontaktní osoba",
        "氏名", "名前", "お名前", "担当者", "担当者名",
    ),
    "company_name": (
        "компания", "организация", "название компании", "место работы", "公司", "公司名称", "企业", "企业名称",
        "회사", "회사명", "yritys", "yrityksen nimi", "şirket", "firma adı", "şirket adı", "cég", "cégnév",
        "vállalat", "companie", "firmă", "nume companie", "εταιρεία", "tvrtka", "podjetje",
        "spoločnosť", "perusahaan", "الشركة",
        "company", "company name", "organization", "organization name", "organisation", "organisation name",
        "person organization", "organization 1 name", "account", "account name", "company / account",
        "associated company", "employer", "current company", "business name", "business", "company name for emails",
        "works at", "which company do you work for", "where do you work", "supplier", "supplier name", "vendor",
        "vendor name", "customer name", "firma", "firmenname", "name des unternehmens", "company/organization",
        "firmen name", "unternehmen", "unternehmensname",
        "betrieb", "arbeitgeber", "société", "nom société", "entreprise", "employeur", "raison sociale",
        "nom de l'entreprise", "nom de la société", "empresa", "compañía", "organización", "razón social",
        "nombre de la empresa", "azienda", "società", "ragione sociale", "nome azienda", "ditta", "bedrijf",
        "bedrijfsnaam", "organisatie", "werkgever", "nome da empresa", "organização", "companhia", "nazwa firmy",
        "przedsiębiorstwo", "nazwa", "företag", "företagsnamn", "arbetsgivare", "virksomhed", "virksomhedsnavn",
        "firmanavn", "arbejdsgiver", "bedrift", "bedriftsnavn", "selskap", "arbeidsgiver", "společnost",
        "název firmy", "název společnosti", "zaměstnavatel", "会社", "会社名", "企業名", "法人名", "勤務先",
    ),
    "domain": (
        "сайт", "веб-сайт", "网站", "网址", "官网", "웹사이트", "홈페이지", "verkkosivu", "kotisivu", "verkkosivusto",
        "web sitesi", "internet sitesi", "weboldal", "honlap", "ιστοσελίδα",
        "domain", "domain name", "company domain", "company domain name", "email domain", "website", "website url",
        "web site", "web page", "site", "url website", "company website", "company url", "company website url",
        "company website domain", "homepage", "website 1 value", "person website", "organization website",
        "webseite", "internetseite", "firmenwebsite", "domäne", "site web", "site internet", "domaine", "sitio web",
        "página web", "dominio", "web", "sito", "sito web", "sito internet", "webadres", "site da empresa",
        "página da web", "domínio", "strona www", "strona internetowa", "domena", "webbplats", "hemsida",
        "hjemmeside", "nettside", "nettsted", "webové stránky", "webová stránka", "doména", "ウェブサイト",
        "ホームページ", "ドメイン", "サイト",
    ),
    "title": (
        "должность", "职位", "職稱", "职务", "직함", "직책", "직위", "titteli", "tehtävänimike", "unvan", "görev",
        "pozisyon", "beosztás", "munkakör", "funcție", "funcția", "θέση", "jabatan", "pozícia",
        "title", "job title", "job", "position", "role", "designation", "job position", "occupation", "headline",
        "current title", "current position", "job role", "organization title", "organization 1 title", "person title",
        "titel", "jobtitel", "funktion", "berufsbezeichnung", "stellenbezeichnung", "stelle", "beruf", "poste",
        "fonction", "intitulé du poste", "titre du poste", "cargo", "puesto", "puesto de trabajo", "ruolo",
        "qualifica",
        "posizione", "mansione", "carica", "functie", "functietitel", "rol", "função", "profissão", "stanowisko",
        "stanowisko pracy", "befattning", "yrkestitel", "roll", "stilling", "stillingsbetegnelse", "jobbtittel",
        "tittel", "rolle", "pozice", "pracovní pozice", "funkce", "役職", "肩書き", "肩書", "職種",
    ),
    "phone": (
        "телефон", "мобильный телефон", "номер телефона", "电话", "手机", "手机号", "電話號碼", "전화", "전화번호",
        "휴대폰", "puhelin", "puhelinnumero", "matkapuhelin", "telefonszám", "mobilszám", "cep telefonu",
        "telefon numarası", "τηλέφωνο",
        "phone", "phone number", "telephone", "telephone number", "tel", "mobile", "mobile phone", "mobile number",
        "cell", "cell phone", "cellphone", "direct phone", "direct phone number", "direct dial", "work phone",
        "work direct phone", "work phone number", "business phone", "person phone work", "person phone mobile",
        "person phone home", "person phone", "contact phone", "home phone", "primary phone", "phone 1 value",
        "person mobile phone", "other phone", "whatsapp", "telefon", "telefonnummer", "handy", "handynummer",
        "mobilnummer", "mobiltelefon", "durchwahl", "rufnummer", "téléphone", "numéro de téléphone", "portable",
        "téléphone portable", "téléphone mobile", "teléfono", "teléfono móvil", "móvil", "celular",
        "número de teléfono", "telefono", "cellulare", "numero di telefono", "telefoon", "telefoonnummer",
        "telefoonnr", "gsm",
        "mobiel",
        "mobiele nummer", "telefone", "telemóvel", "numer telefonu", "telefon komórkowy", "komórka", "mobil",
        "mobilnr", "tlf", "telefonní číslo", "電話", "電話番号", "携帯電話", "携帯",
    ),
    "city": (
        "город", "城市", "도시", "kaupunki", "şehir", "város", "település", "oraș", "πόλη",
        "city", "town", "person city", "contact city", "mailing city", "business city", "work city", "home city",
        "stadt", "ort", "wohnort", "ville", "ciudad", "localidad", "città", "comune", "plaats", "woonplaats", "stad",
        "cidade", "miasto", "miejscowość", "postort", "by", "sted", "poststed", "město", "obec", "市区町村", "市",
    ),
    "state": (
        "state", "state/province", "state/region", "province", "person state", "mailing state", "business state",
        "bundesland", "kanton", "région", "provincia", "estado", "comunidad autónoma", "regione", "provincie",
        "województwo", "län", "fylke", "kraj a region", "都道府県",
    ),
    "country": (
        "страна", "国家", "국가", "maa", "ülke", "ország", "țară", "χώρα",
        "country", "country/region", "person country", "contact country", "mailing country",
        "business country/region",
        "business country", "land", "staat", "pays", "país", "paese", "nazione", "kraj", "země", "stát", "国",
        "国名",
    ),
    "location": ("location", "person location", "contact location", "standort", "localisation", "ubicación"),
    "infix": ("tussenvoegsel", "tussenvoegsels", "voorvoegsel", "name prefix particle", "adelstitel"),
    "suffix": ("suffix", "name suffix", "suffixe", "namenszusatz", "generational suffix"),
}  # fmt: skip
CONTACTS = frozenset({"contact", "kontakt", "contacto", "contatto", "contato"})
"""Titles that are people's names only if the cells are."""

AMBIGUOUS_NAMES = frozenset(
    {"name", "nom", "nume", "nombre", "nome", "naam", "navn", "namn", "jmeno", "meno", "nev"}
)
"""Titles, as keys, that are one of the two names beside the other one, and the full name alone."""

FIRST_BESIDE_LAST = frozenset({"nombre", "nome", "jmeno", "meno"})
"""Those of them that are never the last name."""

FILLERS = word_set(
    """
    what is your please enter the a person contact lead recipient attendee participant prospect
    candidate guest current aktuell aktuelle aktueller delegate required optional bitte ihr ihre deine dein votre
    su il tuo uw value public of
    """
)
"""Words that may be left out of a title."""

OF_OTHERS = word_set(
    """
    owner manager managers assistant assistants created modified updated assigned sender sent rep reps
    referrer referred referral recruiter buyer purchaser billing invoice bcc cc secretary supervisor
    parent spouse emergency support seller agent by from inhaber besitzer zuständig bearbeiter ersteller
    propriétaire propietario proprietario eigenaar właściciel display status verdict type label source
    confidence
    """
)
"""Words by which a column of addresses is somebody else's, or no addresses."""

WORK = word_set(
    """
    work business corporate professional professionnel pro company geschäftlich geschäftliche dienstlich
    zakelijk aziendale lavoro trabajo corporativo służbowy arbete arbejde jobb job mobile mobil cell
    cellphone handy móvil cellulare portable direct
    """
)
PERSONAL = word_set(
    """
    personal private privat home perso personnel privé casa prive prywatny privada secondary other
    additional alternative alternate
    """
)
"""Words by which, of two columns of a field, one counts first or last."""

GROUPS: Mapping[str, str] = {
    **dict.fromkeys(
        ("company", "account", "organization", "organisation", "firma", "unternehmen", "entreprise"),
        "company",
    ),
    **dict.fromkeys(
        ("société", "empresa", "azienda", "bedrijf", "företag", "virksomhed", "employer"), "company"
    ),
    **dict.fromkeys(
        ("contact", "person", "people", "kontakt", "ansprechpartner", "contacto", "contatto"), "person"
    ),
}
"""Names that a row above the titles may give to a group of columns."""

SCRAPERS = word_set(
    """
    rating reviews reviewscount totalscore placeid googlemapsurl googleid cid category categories
    openinghours workinghours pluscode businessstatus fulladdress mapsurl googlemapslink stars
    reviewcount
    """
)
"""Titles, as keys, of which two show that a file lists businesses from a map."""
