"""Lead lists: making, finding, changing and deleting them."""

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.lists import page
from cleanlist_mcp.sandbox.problems import FrameworkProblem


def create_list(call: Call) -> Reply:
    """POST /lead-lists: 201, or 200 with `reused` for the caller's own list of that name."""
    body = bodies.read(bodies.NewList, call.body)
    lead_list, reused = call.sandbox.lists.find_or_create(
        call.key, body.name, call.now, description=body.description, folder_id=body.folder_id
    )
    detail = call.sandbox.lists.detail(lead_list, reused=reused)
    return reply(call, detail, status=200 if reused else 201)


def list_lists(call: Call) -> Reply:
    """GET /lead-lists, a page at a time."""
    limit = call.whole_number("limit", 50, at_most=100)
    folder = call.query.get("folder_id")
    lists = call.sandbox.lists.visible(call.key)
    if folder is not None:
        lists = [lead_list for lead_list in lists if lead_list.folder_id == folder]
    shown, cursor = page(lists, limit, call.query.get("cursor"), f"lists {folder}")
    summaries = [call.sandbox.lists.summary(lead_list) for lead_list in shown]
    return reply(call, {"lists": summaries, "total": len(lists), "cursor": cursor})


def get_list(call: Call) -> Reply:
    """GET /lead-lists/{list_id}."""
    return reply(call, call.sandbox.lists.detail(call.lead_list()))


def update_list(call: Call) -> Reply:
    """PATCH /lead-lists/{list_id}: only what is present changes; null clears."""
    body = bodies.read(bodies.ListChange, call.body)
    changes = body.model_dump(exclude_unset=True)
    if not changes or ("name" in changes and changes["name"] is None):
        nothing = {"loc": ["body"], "msg": "Nothing to change", "type": "value_error"}
        raise FrameworkProblem(422, [nothing])
    lead_list = call.sandbox.lists.get_own(call.key, call.path["list_id"])
    for name, value in changes.items():
        setattr(lead_list, name, value)
    return reply(call, call.sandbox.lists.detail(lead_list))


def delete_list(call: Call) -> Reply:
    """DELETE /lead-lists/{list_id}: the leads stay in the workspace."""
    lead_list = call.sandbox.lists.get_own(call.key, call.path["list_id"])
    call.sandbox.lists.delete(lead_list)
    return reply(call, {"list_id": lead_list.list_id, "deleted": True})
