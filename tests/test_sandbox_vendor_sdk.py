"""The vendor's own Python SDK, pointed at the sandbox: an independent reader of every answer."""

import base64
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio.to_thread
import cleanlist_ai as sdk  # type: ignore[import-untyped]
import httpx
import pytest
from cleanlist_ai.exceptions import (  # type: ignore[import-untyped]
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
    UnprocessableEntityException,
)

from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, SECOND_PREFIX, Sandbox

T = TypeVar("T")
SECONDS = 30


@pytest.fixture
async def served(anyio_backend: str) -> AsyncIterator[tuple[Sandbox, str]]:
    sandbox = Sandbox(latency=0.05, rate_limits=False)
    async with running(sandbox) as base_url:
        yield sandbox, base_url.removesuffix(PUBLIC_PREFIX)


@contextmanager
def connected(host: str, key: str) -> Iterator[Any]:
    configuration = sdk.Configuration(host=host, access_token=key, retries=0)
    with sdk.Cleanlist(key, configuration=configuration) as api:
        yield api


async def use(host: str, key: str, job: Callable[[Any], T]) -> T:
    def work() -> T:
        with connected(host, key) as api:
            return job(api)

    with anyio.fail_after(SECONDS):
        return await anyio.to_thread.run_sync(work)


def settled(api: Any, workflow_id: str) -> Any:
    """Poll as the quickstart does, but not for ever."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        answer = api.enrichment.enrichment_status(workflow_id)
        if answer.status in {"completed", "completed_with_errors", "failed"}:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{workflow_id} did not settle")


async def test_the_quickstart_runs_from_whoami_to_a_settled_list(
    served: tuple[Sandbox, str],
) -> None:
    sandbox, host = served

    def quickstart(api: Any) -> tuple[Any, Any]:
        me = api.workspace.whoami()
        assert (me.organization_name, me.auth_type, me.tier) == (
            "Northwind Sandbox",
            "api_key",
            "pro",
        )
        assert api.workspace.credits_balance().credits == 5_000

        made = api.lead_lists.create_list(sdk.CreateListRequest(name="Quickstart"))
        request = sdk.EnrichPersonRequest(
            lead_list_id=made.list_id,
            first_name="John",
            last_name="Surely",
            domain="acme.example",
            enrichment_type="full",
        )
        started = api.enrichment.enrich_person(request)
        assert (started.status, started.credits_reserved) == ("pending", 11)
        person = settled(api, started.workflow_id)

        list_id = next(one.list_id for one in api.lead_lists.list_lists().lists if one.name == "Q3 Prospects")
        priced = sdk.EstimateCostRequest(tool="enrich_list", list_id=list_id, scope="partial")
        quoted = api.workspace.credits_estimate(priced)
        assert (quoted.row_count, quoted.estimated_cost, quoted.sufficient) == (12, 12, True)
        ordered = sdk.EnrichListRequest(list_id=list_id, quote_id=quoted.quote_id)
        run = api.enrichment.enrich_list(ordered)
        assert (run.total_leads, run.credits_reserved) == (12, 12)
        with pytest.raises(ConflictException):
            api.enrichment.enrich_list(ordered)
        return person, settled(api, run.workflow_id)

    person, run = await use(host, sandbox.key, quickstart)
    assert person.result.status == "completed"
    assert person.result.email == "john.surely@acme.example"
    assert (person.credits_charged, person.credits_refunded) == (11, 0)
    assert run.status == "completed_with_errors"
    assert (run.total, run.completed, run.failed) == (12, 10, 2)
    assert (run.credits_charged, run.credits_refunded) == (10, 2)
    assert run.result is None
    assert sandbox.credits() == 5_000 - 11 - 10


async def test_lists_and_leads_go_through_the_sdk(served: tuple[Sandbox, str]) -> None:
    sandbox, host = served

    def work(api: Any) -> None:
        lists = api.lead_lists
        made = lists.create_list(sdk.CreateListRequest(name="Mine", description="about"))
        assert (made.lead_count, made.reused) == (0, False)
        seeded = lists.list_lists(limit=1)
        assert (len(seeded.lists), seeded.total) == (1, 4)
        assert lists.list_lists(limit=1, cursor=seeded.cursor).lists[0].name == "Conference Leads"

        source = lists.list_leads_in_list(seeded.lists[0].list_id, limit=5)
        assert (len(source.leads), source.total) == (5, 12)
        ids = [lead.lead_id for lead in source.leads]
        added = lists.add_leads_to_list(made.list_id, sdk.Body(sdk.AddByLeadIds(lead_ids=ids)))
        assert (added.added, added.skipped_duplicates) == (5, 0)
        again = sdk.Body(sdk.AddByCohort(task_id=source.task_id))
        assert lists.add_leads_to_list(made.list_id, again).skipped_duplicates == 5
        removal = sdk.RemoveLeadsRequest(lead_ids=ids[:2])
        assert lists.remove_leads_from_list(made.list_id, removal).removed == 2

        renamed = lists.update_list(made.list_id, sdk.PublicLeadListUpdate(name="Ours"))
        assert (renamed.name, renamed.description) == ("Ours", "about")
        assert lists.get_list(made.list_id).lead_count == 3
        assert lists.delete_list(made.list_id).deleted is True
        with pytest.raises(NotFoundException):
            lists.get_list(made.list_id)

    await use(host, sandbox.key, work)


async def test_imports_and_exports_go_through_the_sdk(served: tuple[Sandbox, str]) -> None:
    sandbox, host = served

    def work(api: Any) -> None:
        made = api.lead_lists.create_list(sdk.CreateListRequest(name="Imported"))
        content = "Mail,Name\nana@mare.example,Ana\n,Nobody\n".encode("utf-8-sig")
        request = sdk.CsvImportRequest(
            csv_content_base64=base64.b64encode(content).decode(),
            column_mapping={"email": "Mail", "first_name": "Name"},
            dispatch_enrichment=False,
            idempotency_key="chunk-1",
        )
        first = api.lead_lists.csv_import(made.list_id, request)
        second = api.lead_lists.csv_import(made.list_id, request)
        assert (first.rows_imported, first.rows_skipped) == (1, 1)
        assert first.skip_reasons == {"missing_required": 1}
        assert (first.idempotency_replayed, second.idempotency_replayed) == (False, True)

        export = api.export.export_csv(sdk.ExportCsvRequest(list_id=made.list_id))
        assert export.row_count == 1
        assert export.download_url.startswith(host)
        rows = api.export.export_json(made.list_id, columns=["email"])
        assert (rows.leads, rows.total) == ([{"email": "ana@mare.example"}], 1)

    await use(host, sandbox.key, work)


@pytest.mark.long
async def test_the_rest_of_the_api_goes_through_the_sdk(served: tuple[Sandbox, str]) -> None:
    sandbox, host = served

    def work(api: Any) -> None:
        found = api.enrichment.enrich_company(sdk.EnrichCompanyRequest(domain="acme.example"))
        assert (found.company.domain, found.credits_charged) == ("acme.example", 1)

        page = api.lead_lists.list_leads_in_list(sandbox.list_id("Q3 Prospects"), limit=3)
        cohort = {"task_id": page.task_id, "data_points": ["Email"]}
        priced = sdk.EstimateCostRequest(tool="add_person_enrichments", **cohort)
        quote_id = api.workspace.credits_estimate(priced).quote_id
        request = sdk.EnrichByTaskRequest(quote_id=quote_id, **cohort)
        started = api.enrichment.enrich_by_task(request)
        assert (started.entity_kind, started.total_entities) == ("person", 3)
        assert settled(api, page.task_id).workflow_id == started.workflow_id

        assert api.workspace.usage_report(days=1, group_by="key").total_errors == 0
        assert [key.name for key in api.workspace.list_api_keys().keys] == ["seeded"]
        assert api.smart_agents.list_smart_agents().runs == []

    await use(host, sandbox.key, work)


async def test_a_part_of_a_list_goes_through_the_sdk(served: tuple[Sandbox, str]) -> None:
    sandbox, host = served
    list_id = sandbox.list_id("Q3 Prospects")

    def work(api: Any) -> None:
        page = api.lead_lists.list_leads_in_list(list_id)
        part = [lead.lead_id for lead in page.leads[:4]]
        wanted = {"task_id": page.task_id, "data_points": ["Email"], "entity_ids": part}
        priced = sdk.EstimateCostRequest(tool="add_person_enrichments", **wanted)
        quoted = api.workspace.credits_estimate(priced)
        assert (quoted.row_count, quoted.estimated_cost) == (4, 4)
        with pytest.raises(BadRequestException, match="quote_required"):
            api.enrichment.enrich_by_task(sdk.EnrichByTaskRequest(**wanted))
        ordered = sdk.EnrichByTaskRequest(quote_id=quoted.quote_id, **wanted)
        started = api.enrichment.enrich_by_task(ordered)
        with pytest.raises(ConflictException):
            api.enrichment.enrich_by_task(ordered)
        assert [(one.entity_id, one.status) for one in started.results] == [(one, "queued") for one in part]
        run = settled(api, started.workflow_id)
        assert (run.total, run.lead_list_id) == (4, list_id)
        after = api.lead_lists.list_leads_in_list(list_id)
        assert (after.total, after.task_id == page.task_id) == (12, False)
        assert {lead.lead_id for lead in after.leads if lead.email} <= set(part)
        assert run.credits_charged == sum(bool(lead.email) for lead in after.leads)

    await use(host, sandbox.key, work)
    assert sandbox.ledger().charged == sandbox.runs[0].credits_charged > 0


async def test_what_was_searched_goes_into_a_list_and_out_again_through_the_sdk(
    served: tuple[Sandbox, str],
) -> None:
    """The SDK has no search of its own."""
    sandbox, host = served
    headers = {"Authorization": f"Bearer {sandbox.key}"}

    def work(api: Any) -> None:
        filters = {"company_names": ["Legend Labs"]}
        for prefix in (PUBLIC_PREFIX, SECOND_PREFIX):
            address = f"{host}{prefix}/search/people"
            page = httpx.post(address, json={"filters": filters}, headers=headers).json()
            made = api.lead_lists.create_list(sdk.CreateListRequest(name=f"Found under {prefix}"))
            chosen = [str(row["id"]) for row in page["results"][:3]]
            cohort = sdk.AddByCohort(task_id=page["task_id"], entity_ids=chosen)
            assert api.lead_lists.add_leads_to_list(made.list_id, sdk.Body(cohort)).added == 3
            ids = [lead.lead_id for lead in api.lead_lists.list_leads_in_list(made.list_id).leads]
            removal = sdk.RemoveLeadsRequest(lead_ids=ids[:1])
            assert api.lead_lists.remove_leads_from_list(made.list_id, removal).removed == 1
            put_back = sdk.Body(sdk.AddByLeadIds(lead_ids=ids))
            again = api.lead_lists.add_leads_to_list(made.list_id, put_back)
            assert (again.added, again.skipped_duplicates) == (1, 2)
        export = api.export.export_csv(sdk.ExportCsvRequest(list_id=made.list_id))
        file = httpx.get(export.download_url)
        assert (len(file.content), file.text.count("legendlabs.example")) == (export.file_size_bytes, 3)

    await use(host, sandbox.key, work)


async def test_companies_go_through_the_sdk(served: tuple[Sandbox, str]) -> None:
    sandbox, host = served

    def work(api: Any) -> None:
        known = [
            api.enrichment.enrich_company(sdk.EnrichCompanyRequest(**handle)).company
            for handle in ({"company_name": "Legend Labs"}, {"domain": "legendlabs.example"})
        ]
        assert known[0] == known[1]
        assert (known[0].employee_count_range, known[0].hq_location) == (
            "201-500",
            "San Francisco, California, United States",
        )
        by_id = sdk.EnrichCompanyRequest(company_id=known[0].company_id)
        assert api.enrichment.enrich_company(by_id).company == known[0]
        missing = api.enrichment.enrich_company(sdk.EnrichCompanyRequest(company_ticker="ZZZZ"))
        assert (missing.credits_charged, missing.company.name) == (0, None)

    await use(host, sandbox.key, work)
    assert sandbox.ledger().charged == 3


async def test_refusals_reach_the_sdk_as_its_own_exceptions(served: tuple[Sandbox, str]) -> None:
    sandbox, host = served
    narrow = sandbox.add_account("narrow", scopes={"people:read"})

    def unknown(api: Any) -> None:
        with pytest.raises(UnauthorizedException):
            api.workspace.whoami()

    def forbidden(api: Any) -> None:
        with pytest.raises(ForbiddenException):
            api.workspace.credits_balance()

    def refused(api: Any) -> None:
        with pytest.raises(BadRequestException):
            api.workspace.credits_estimate(sdk.EstimateCostRequest(tool="paint_the_fence"))
        with pytest.raises(NotFoundException):
            api.enrichment.enrichment_status("enrich-none")
        with pytest.raises(UnprocessableEntityException):
            api.workspace.credits_estimate(sdk.EstimateCostRequest(tool="enrich_list", row_count=-1))

    await use(host, "clext_browser", unknown)
    await use(host, narrow, forbidden)
    await use(host, sandbox.key, refused)
