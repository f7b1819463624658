"""Identity, balance, keys and usage: calls that are free and change nothing."""

from collections import defaultdict
from collections.abc import Callable

from cleanlist_mcp.sandbox.call import Call, Reply, bare, reply
from cleanlist_mcp.sandbox.lists import iso
from cleanlist_mcp.sandbox.state import RequestRecord

_DAY = 86_400


def whoami(call: Call) -> Reply:
    """GET /whoami."""
    key, organization = call.key, call.key.organization
    data = {
        "user_email": key.user.masked_email,
        "user_id": key.user.user_id,
        "user_name": key.user.name,
        "organization_id": organization.organization_id,
        "organization_name": organization.name,
        "auth_type": "api_key",
        "scopes": sorted(key.scopes),
        "tier": organization.tier,
        "appsumo_tier": None,
        "features": sorted(organization.features),
    }
    return reply(call, data)


def balance(call: Call) -> Reply:
    """GET /credits/balance."""
    credits_left = call.key.organization.available
    data = {"organization_id": call.organization_id, "credits": credits_left}
    return reply(call, data, instructions=f"{credits_left} credits remain.")


def api_keys(call: Call) -> Reply:
    """GET /api-keys: the caller's own, without their secrets."""
    keys = [
        {
            "key_id": key.key_id,
            "key_prefix": "clapi_",
            "key_last4": key.token[-4:],
            "name": key.label,
            "scopes": sorted(key.scopes),
            "created_at": iso(key.created_at),
            "last_used_at": iso(key.last_used_at) if key.last_used_at is not None else None,
            "is_active": True,
        }
        for key in call.sandbox.accounts()
        if key.user == call.key.user and key.organization is call.key.organization
    ]
    return bare({"keys": keys})


def usage(call: Call) -> Reply:
    """GET /usage: this organization's requests; credits are not attributed, as at the vendor."""
    days = call.whole_number("days", 7, at_most=365)
    group_by = call.word("group_by", "tool", of=_BUCKETS)
    buckets: dict[str, list[RequestRecord]] = defaultdict(list)
    for record in call.sandbox.requests:
        ours = record.organization_id == call.organization_id
        if ours and record.status is not None and record.time > call.now - days * _DAY:
            buckets[_BUCKETS[group_by](record)].append(record)
    rows = [
        {
            "group": group,
            "calls": len(records),
            "credits_spent": 0.0,
            "errors": sum(1 for record in records if (record.status or 0) >= 400),
        }
        for group, records in sorted(buckets.items())
    ]
    data = {
        "days": days,
        "group_by": group_by,
        "total_calls": sum(len(records) for records in buckets.values()),
        "total_credits_spent": 0.0,
        "total_errors": sum(int(str(row["errors"])) for row in rows),
        "rows": rows,
    }
    return bare(data)


_BUCKETS: dict[str, Callable[[RequestRecord], str]] = {
    "tool": lambda record: f"{record.method} {record.path}",
    "key": lambda record: f"key_{record.key}",
    "day": lambda record: iso(record.time)[:10],
    "error": lambda record: str(record.status) if (record.status or 0) >= 400 else "none",
}
