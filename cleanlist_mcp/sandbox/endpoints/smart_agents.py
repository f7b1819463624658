"""Smart agents: on no plan of the sandbox."""

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.problems import no_smart_agents, not_found


def run_smart_agent(call: Call) -> Reply:
    """POST /smart-agents/run: not part of the sandbox's plan."""
    bodies.read(bodies.SmartAgentRun, call.body)
    raise no_smart_agents(call.key.organization.tier)


def list_smart_agents(call: Call) -> Reply:
    """GET /smart-agents: there can be no runs."""
    call.whole_number("limit", 20, at_most=100)
    if "list_id" in call.query:
        call.sandbox.lists.get(call.key, call.query["list_id"])
    return reply(call, {"runs": [], "total": 0})


def get_smart_agent(call: Call) -> Reply:
    """GET /smart-agents/{id}: there can be no such run."""
    raise not_found("Smart agent run")
