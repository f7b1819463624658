"""The descriptions of the tools, as models read them: data, because `python -OO` drops docstrings."""

import re
from collections.abc import Collection, Mapping

DESCRIPTIONS: Mapping[str, str] = {
    "whoami": """\
Show whose Cleanlist API key is in use: user, organization, plan, and the permissions that it lacks.

Use it first when something is refused, or to see which account would pay. It also shows if this is the sandbox, with \
made-up data, and if runs are remembered. For the credits left call credits_balance instead. Free; nothing is ever \
charged.""",
    "credits_balance": """\
Show the organization's credits left, and what was spent from here in the last `days` times 24 hours.

Use it for "what did it cost" and "what is left", before and after spending, and when a charge is unknown. By list or \
run, rows show what each one cost and found. For the price of a list call estimate. Free; nothing is ever \
charged.""",
    "estimate": """\
Quote what enriching a lead list, or rows of it, costs at most. Free, changes nothing.

Give exactly one of list_id and people_count. It leaves out and counts rows that have what the scope finds, or were \
tried from here in the last 30 days; max_rows, max_credits or lead_ids narrow it further, only_missing=false takes \
all. A quote holds about 5 minutes and works once, for enrich_list, which fills these rows of the same list. Show the \
user its cost and the balance after it before spending. A limit that the user named is a yes to a quote within it. \
Renew an expired quote without asking again only at the same price. people_count gives a price and no quote: single \
people go to enrich_person, which needs none.""",
    "enrich_person": """\
Find one person's verified e-mail address or phone number, and wait for the result.

Spends at most 1 credit (partial), 10 (phone_only) or 11 (full); nothing is charged if nothing is found. For several \
people use a list: estimate, then enrich_list. The same person within 24 hours returns the earlier run, free. A run \
that takes longer has not failed: workflow_status finds it again.""",
    "enrich_list": """\
Enrich a lead list, or its quoted rows, for a quote from estimate; spends up to the quoted cost.

First call estimate and show its quote to the user. What is not found is not charged. Without a quote nothing is \
spent; one quote starts one run, and the same call again returns that run. If the client has a dialog, the user is \
asked there too. Follow the run with workflow_status.""",
    "approve_quote": """\
Start the run of a quote by the button of its card; spends up to the quoted cost.

For the card alone, which holds the proof that estimate gave with the quote: without it nothing starts. Assistants \
call enrich_list. What is not found is not charged; one quote starts one run, and the same call again returns it.""",
    "card_shown": """\
Report that a card shows a quote, and learn if the quote can still be approved or was used.

For the card alone, which holds the proof that estimate gave with the quote. From then on enrich_list waits for its \
button. Free; nothing is ever charged.""",
    "workflow_status": """\
Show the state of a run, waiting up to wait_seconds for its end; once settled, its result and credits.

Use it after enrich_person or enrich_list came back unfinished or timed out. Without an id it finds the runs that \
were started from here. It answers at once if the run has ended. Free; nothing is ever charged.""",
    "find_lists": """\
Find lead lists by name, with their ids and lead counts.

Use it when the user names a list inexactly; other tools take ids and exact names. At most 1,000 lists are looked at \
per call, and the answer says how many were. Free, changes nothing.""",
    "create_list": """\
Create a lead list, or return the one that has this name already; `reused` shows which.

Use it before add_leads when the user names no list. Results of single people need no list of their own: \
they go to "MCP Results". Free; nothing is ever charged.""",
    "add_leads": """\
Add up to 500 people, rows of a search, or leads of another list to a lead list. It never enriches and spends nothing.

Give exactly one of people, search_id (all rows shown, or entity_ids of them) and lead_ids. It merges rows of \
one person, by any identifier; it leaves out rows that identify nobody and names them. People whom the API shows in \
the list, or who were added from here, are not added again. leave_out skips people who have an e-mail or phone. To \
find addresses and numbers afterwards: estimate the list, show the quote, then enrich_list.""",
    "add_leads_or_file": """\
Add up to 500 people, a CSV file, rows of a search, or leads of another list to a lead list. It spends nothing.

Give exactly one of people, csv_path, search_id (all rows shown, or entity_ids of them) and lead_ids. It merges rows \
of one person, and leaves out and names rows that identify nobody. People whom the API shows in the list, or who were \
added from here, are not added again. leave_out skips people who have an e-mail or phone. columns and sample show how \
a file was understood. Afterwards: estimate the list, show the quote, then enrich_list.""",
    "get_leads": """\
Show the people in a lead list: name, title, company, e-mail, phone.

Use it to see who lacks an address or number, to find somebody in the list, or to see what a run found. The summary \
counts the whole list if it is short enough to be seen. details adds the lead_id that other tools take. For a long \
list give the user export_list's file instead. Free, changes nothing; it enriches nobody.""",
    "remove_leads": """\
Take up to 100 rows out of a lead list.

Use it only for rows that the user wants out. The people themselves stay at Cleanlist. The answer names who went: \
show it to the user. It skips and names ids that no row of the list has. Free; credits that were spent on a row do \
not come back.""",
    "export_list": """\
Make a CSV file of a whole lead list and return a signed link to it, valid 24 hours.

Use it when the user wants a file or the list is too long to show. Whoever has the link can download it: give it to \
the user alone. Free; nothing is ever charged.""",
    "export_list_or_file": """\
Make a CSV file of a whole lead list and return a signed link to it, valid 24 hours; with save_as, save it.

Use it when the user wants a file or the list is too long to show. save_as makes a new file in the shared folder, \
never over one that exists. Whoever has the link can download it: give it to the user alone. Free; nothing is ever \
charged.""",
    "search_people": """\
Search people by role, place and company. Free; nothing is ever charged, and no e-mail or phone is shown.

Use it when the user describes whom they want; for one named person call enrich_person. Give at least one filter. All \
filters must match, each by any of its values. Values seen at Cleanlist: management levels VP, Director; departments \
Sales; company sizes 51-200; countries by their English names; there are others. A value that Cleanlist does not know \
matches nobody. search_id stands for all rows shown so far: add_leads puts them, or some, into a list.""",
    "search_companies": """\
Search companies by industry, size and place; each comes with its domain. Free; nothing is ever charged.

Use it to find companies, and search_people with their domains for the people in them. For more about one company \
call enrich_company, which is paid. Give at least one filter. All filters must match, each by any of its values. \
Sizes are ranges such as 51-200; countries have their English names. A value that Cleanlist does not know matches \
nothing.""",
    "enrich_company": """\
Look one company up: employees, revenue, funding, technologies, LinkedIn page. Spends 1 credit, nothing if not found.

Give one of domain, company_name, company_ticker and company_id. Industry, size and place are free in \
search_companies: use that first. The same company within 24 hours returns the earlier answer, free. It counts \
against the hourly limit for runs without a quote. If the answer is lost, the charge is unknown and nothing is sent \
again.""",
}
"""By the name of the function that carries the tool out."""


def description(function: str, off: Collection[str]) -> str:
    """Return the description of a tool without the sentences that name a tool that is `off`."""
    sentences = re.split(r"(?<=\.)(?=\s)", DESCRIPTIONS[function])
    return "".join(text for text in sentences if not any(re.search(rf"\b{name}\b", text) for name in off))
