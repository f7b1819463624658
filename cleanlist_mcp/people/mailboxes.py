"""Addresses that identify nobody alone: shared mailboxes, placeholders, the domains of mail providers. Pure."""

import re
from functools import cache
from typing import Literal

from cleanlist_mcp.people.data import words_in
from cleanlist_mcp.people.remembered import remembered
from cleanlist_mcp.people.spellings import folded, spellings, words_of

Readers = Literal["one", "several", "nobody"]

_SHARED = """
info infos information informations informacion informacoes informazioni informatie hello hallo hola hi hey
bonjour ciao salut welcome willkommen bienvenue contact contacts contactus contacto contato contatto contatti
kontakt kontakte office offices buero bureau oficina ufficio kantoor studio praxis kanzlei reception receptie
empfang rezeption recepcion accueil frontdesk secretary secretariat sekretariat secretaria secretaire segreteria
secretariaat sales sale vertrieb verkauf ventas vendas ventes vente vendite verkoop commercial comercial commerciale
support supports help helpdesk servicedesk service services kundenservice kundendienst kundenbetreuung
customerservice customerservices customercare customersupport customersuccess clientservices clients customers care
techsupport technicalsupport soporte suporte atencion atencionalcliente assistenza aide hilfe ayuda klantenservice
serviceclient admin admins administrator administration administracion amministrazione administratie verwaltung
webmaster hostmaster postmaster mailmaster root sysadmin noc ops operations abuse security it itsupport edv technik
tech team teams ourteam equipo equipe staff mail mails email emails mailbox inbox post posta poststelle zentrale
correo correio courrier hr humanresources personal personalabteilung personnel rh rrhh recursoshumanos people talent
talents jobs job career careers karriere bewerbung bewerbungen empleo emploi lavoro vacatures recrutement recruitment
recruiting hiring marketing press presse prensa stampa pers media medias pr publicrelations communications
communication comunicacion comunicazione kommunikation billing bills invoice invoices invoicing rechnung rechnungen
rechnungswesen rechnungseingang buchhaltung accounting accounts account accountspayable accountsreceivable ap ar
payments payment payroll finance finances finanzen finanzas contabilidad contabilita comptabilite facturation
facturacion fatturazione facturen boekhouding order orders ordering bestellung bestellungen bestellen pedidos
commandes commande ordini einkauf purchasing procurement purchase compras achats acquisti inkoop legal recht
rechtsabteilung privacy datenschutz dataprotection dpo gdpr rgpd compliance shop webshop store tienda boutique
booking bookings reservations reservation reservierung reservas prenotazioni prenotazione event events veranstaltung
news newsletter presseamt partner partners partnership partnerships reseller investor investors investorrelations ir
feedback enquiries enquiry inquiries inquiry anfrage anfragen request requests consultas general generalenquiries
allgemein firma company empresa group gruppe everyone everybody all alle kunden clientes web website online hotel
restaurant logistics logistik logistica dispatch shipping versand warehouse lager production produktion quality
qualitaet research rathaus gemeinde stadt school schule university dekanat board vorstand management direktion
direction direccion direzione geschaeftsfuehrung geschaeftsleitung directie
postmottak firmapost post postkasse salg salgs salgsavdeling ordre kundeservice kundtjanst kundservice kundesenter
forsaljning orderkontor kontor kontoret biuro sekretariat sprzedaz handlowy zamowienia obsluga ksiegowosc kadry
obchod prodej objednavky fakturace recepce podpora kancelar ufficiovendite vendite iletisim bilgi satis destek muhasebe
myynti asiakaspalvelu toimisto laskutus ertekesites ugyfelszolgalat iroda vanzari comenzi secretariat prodaja
pisarna servicio servicios atendimento vendas faleconosco secretaria geral
инфо почта офис продажи отдел поддержка
"""
_QUALIFIERS = """
emea apac latam dach benelux nordics global international intl world worldwide europe eu uk usa us gb de fr es it nl
at ch be pl se dk no fi pt ie au nz ca mx br jp cn in za north south east west nord sued sud ost ouest norte sur main
hq central new the our my your general company digital group
"""
_PLACEHOLDERS = """
na none no null nil nan undefined void blank empty missing invalid unknown unkown unbekannt desconocido inconnu
sconosciuto onbekend keine keineangabe nobody noone anonymous anonym anon noemail nomail noaddress noemailaddress
noemailfound noemailavailable noreply donotreply donotemail donotmail donotcontact donotsend dontemail notavailable
notprovided notgiven notfound notapplicable notunlocked unavailable locked hidden redacted private example examples
sample beispiel ejemplo exemple esempio voorbeeld test tests testing tester testuser testmail testemail dummy fake
foo foobar foobaz asdf asdfasdf asd qwerty qwertz azerty abc abcd xyz user username youremail yourname yourmail
myemail myname firstname lastname firstnamelastname firstlast vornamenachname vorname nachname nombreapellido
prenomnom nomprenom nomecognome naamachternaam namesurname name someone somebody someemail anyone placeholder todo
tbd tba temp tmp
"""
_NONE = """
kein keine ohne sin no pas sans aucun geen zonder non nessuna senza brak bez ej ingen inget ikke uten nincs fara yok
"""
_ADDRESS = """
email mail mails emails maila emaila correo courriel adresse mailadresse emailadresse adres indirizzo endereco angivet
oppgitt disponible disponibile disponivel dispo renseigne angegeben bekannt vorhanden
"""
_NO_ADDRESS = re.compile(
    "^(?:noe?mail|noreply|donot(?:e?mail|reply|contact)|x{2,}$)|notunlocked|notavailable|notprovided"
)
# Words that are names or parts of names too: they are a mailbox alone, but not in front of another word.
_NAMES_TOO = frozenset({"post", "posta", "general", "sale", "care", "stadt", "lager", "personal", "bills"})

# Some have a domain in each country.
_PROVIDER_FAMILIES = frozenset({"yahoo", "hotmail", "gmx", "yandex", "aol", "outlook"})
_COUNTRY = re.compile(r"com|net|(?:(?:co|com|ne)\.)?[a-z]{2}")


@remembered
def readers(address: str) -> Readers:
    """Return who reads an address in normal form: one person, several (`info@…`), or nobody.

    Nobody reads what only fills a gap, such as `email_not_unlocked@domain.com`.
    """
    parts = _parts(address)
    local = _joined(parts)
    if local in _known(_PLACEHOLDERS) or _NO_ADDRESS.search(local) or _means_none(parts, address):
        return "nobody"
    return "several" if _is_mailbox(parts) else "one"


def is_provider(domain: str) -> bool:
    """Return whether a domain in normal form gives addresses to everybody, so that it is nobody's employer."""
    if domain in _providers():
        return True
    label, _, rest = domain.partition(".")
    return label in _PROVIDER_FAMILIES and _COUNTRY.fullmatch(rest) is not None


def _means_none(parts: tuple[str, ...], address: str) -> bool:
    """Return whether an address was written to say that there is none: "keine-email@…", "sin@correo.es", "a@a.a"."""
    local, _, host = address.rpartition("@")
    label = host.partition(".")[0]
    none, there = _known(_NONE), _known(_ADDRESS)
    if parts and parts[0] in none and not there.isdisjoint(parts[1:] or (label,)):
        return True
    return local == label and (len(local) == 1 or local.isdigit() or local in none)


def _parts(address: str) -> tuple[str, ...]:
    """Return the words before the at sign, without digits and what follows a plus sign."""
    local = folded(address.rpartition("@")[0].partition("+")[0]).replace("/", "")
    return tuple(spellings(word)[0] for word in words_of(re.sub(r"[\d_]", " ", local)))


def _joined(parts: tuple[str, ...]) -> str:
    """Return the words as one, "" for initials: "i.t" is not "it"."""
    return "" if len(parts) > 1 and max(map(len, parts)) == 1 else "".join(parts)


def _is_mailbox(parts: tuple[str, ...]) -> bool:
    shared = _known(_SHARED)
    if _joined(parts) in shared:
        return True
    if shared.isdisjoint(parts):
        return False
    begins_with_one = len(parts[0]) > 2 and parts[0] in shared and parts[0] not in _NAMES_TOO
    return begins_with_one or all(part in shared or part in _known(_QUALIFIERS) for part in parts)


@cache
def _known(words: str) -> frozenset[str]:
    return frozenset(spellings(word)[0] for word in words.split())


@cache
def _providers() -> frozenset[str]:
    return words_in("mail_providers.txt")
