"""The schemas that clients see: flat, without what one client or another cannot read. Pure."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

Schema = dict[str, Any]

_UNPUBLISHED = ("$defs", "title", "additionalProperties")
"""Words that no reader needs. A widely used client library crashes on `additionalProperties`."""

IGNORED_ARGUMENTS: Schema = {"type": "array", "items": {"type": "string"}}
"""The names of arguments that were dropped, in an answer."""


def input_schema(model: type[BaseModel]) -> Schema:
    """Return the published schema of a tool's arguments.

    Whole numbers whose least value is 1 publish 0: strict clients have to send something for what they leave out.
    """
    plain = validated_schema(model)
    published = {name: _with_zero(_short(value)) for name, value in plain["properties"].items()}
    return plain | {"properties": published}


@cache
def validated_schema(model: type[BaseModel]) -> Schema:
    """Return the flat schema that the arguments are really validated against. It is shared: change none."""
    return {"type": "object", "properties": {}} | plain_schema(model, "validation")


def output_schema(model: type[BaseModel], *, reads: bool) -> Schema:
    """Return the published schema of a tool's answer; one that only `reads` may name arguments that it ignored."""
    plain = plain_schema(model, "serialization")
    plain.pop("description", None)  # the docstring, which is for readers of the code
    if reads:
        plain["properties"] = plain["properties"] | {"ignored_arguments": IGNORED_ARGUMENTS}
    return plain


def plain_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Schema:
    """Return the JSON schema of a model without titles, references, null arms and closed records."""
    schema = model.model_json_schema(mode=mode)
    plain = _plain(schema, schema.get("$defs", {}))
    assert isinstance(plain, dict)  # noqa: S101 - an object stays one
    return plain


def _short(schema: Schema) -> Schema:
    """Return the schema without the bounds of texts inside records: a model reads each definition, and pays for it."""
    fields = schema.get("items", {}).get("properties")
    if fields is None:
        return schema
    unbounded = {
        name: {word: value for word, value in field.items() if word != "maxLength"}
        for name, field in fields.items()
    }
    return schema | {"items": schema["items"] | {"properties": unbounded}}


def _with_zero(schema: Schema) -> Schema:
    if schema.get("type") != "integer" or schema.get("minimum") != 1:
        return schema
    return schema | {"minimum": 0, "description": f"{schema['description'].rstrip('.')}; 0: left out."}


def _plain(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Return `node` with its references resolved, and without everything that only some readers understand."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        named = definitions[node["$ref"].rsplit("/", 1)[-1]]
        without_docstring = {word: value for word, value in named.items() if word != "description"}
        node = without_docstring | {word: value for word, value in node.items() if word != "$ref"}
    arms = [arm for arm in node.get("anyOf", []) if arm.get("type") != "null"]
    if len(arms) == 1:
        return _plain(arms[0] | {word: value for word, value in node.items() if word != "anyOf"}, definitions)
    return {
        word: _plain_properties(value, definitions) if word == "properties" else _plain(value, definitions)
        for word, value in node.items()
        if word not in _UNPUBLISHED and not (word == "default" and value in (None, "", []))
    }


def _plain_properties(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    return {name: _plain(schema, definitions) for name, schema in properties.items()}
