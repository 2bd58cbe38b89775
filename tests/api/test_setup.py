import json

from farebox.api.app import ROUTES
from farebox.base.errors import CATALOGUE
from farebox.routing.wishes import POLICY_FIELDS
from tests.api.shop import ENVIRONMENT, Shop

SPANS = ("day", "month", "lifetime")


async def test_tokeo_tells_its_limits_models_and_blocked_work(shop: Shop) -> None:
    async with shop.client() as client:
        found = (await client.get("/api/setup")).json()
    limits = found["request_limits"]
    assert (limits["max_output_tokens"], limits["max_prompt_chars"]) == (4096, 120_000)
    models = {model["id"]: (model["provider_ready"], model["reason"]) for model in found["models"]}
    live, blocked = (True, "Live for MVP testing"), (False, "Unavailable until upstream funding is ready")
    assert models == {
        "claude-haiku-4-5": live,
        "claude-sonnet-4-6": live,
        "gemini-2.5-flash": live,
        "gemini-2.5-pro": live,
        "gpt-4.1": blocked,
        "gpt-4.1-mini": blocked,
    }
    text_scopes = ["chat.completions", "responses", "messages"]
    assert {model["workload"] for model in found["models"]} == {"text"}
    assert found["workloads"] == [{"workload": "text", "scopes": text_scopes, "ready": True}]
    states = {item["title"]: item["state"] for item in found["readiness"]}
    assert states == {
        "Database": "live",
        "Anthropic / Claude availability": "live",
        "Google / Gemini availability": "live",
        "OpenAI availability": "disabled_safely",
        "Payment provider auto-verification": "operator_action_needed",
        "Production x402 settlement": "third_party_blocked",
    }
    assert found["brand"]["key_prefix"] == "tokeo_"
    assert "X-Tokeo-Balance-After-USD" in found["brand"]["monitor_headers"]
    assert (found["base_path"], found["sandbox"]) == ("/v1", False)
    assert "chat.completions" in found["scopes"]


async def test_setup_tells_nothing_of_the_operators_inside(shop: Shop) -> None:
    async with shop.client() as client:
        text = (await client.get("/api/setup")).text
    for inside in (*ENVIRONMENT, *ENVIRONMENT.values(), "api.anthropic.com", "cost", '"fix"', "metrics-secret"):
        assert inside not in text.replace("Cost-USD", "")


async def test_the_catalogue_of_errors_is_open_to_anybody(shop: Shop) -> None:
    async with shop.client() as client:
        found = (await client.get("/api/errors")).json()["data"]
    assert {entry["code"]: entry["status"] for entry in found} == {c: e.status for c, e in CATALOGUE.items()}


async def test_openapi_describes_every_route_with_real_schemas_and_no_foreign_scripts(shop: Shop) -> None:
    async with shop.client() as client:
        response = await client.get("/api/openapi.json")
        for page in ("/api", "/api/docs", "/api/swagger", "/schema"):
            assert (await client.get(page)).status_code == 404
    assert response.headers["content-type"].startswith("application/json")
    document = response.json()
    paths = {"/api/balance", "/api/usage", "/api/usage/{call_id}", "/api/receipts", "/api/setup", "/api/errors"}
    paths |= {"/api/webhooks", "/api/route/explain", "/api/estimate", "/api/routes", "/api/policy", "/api/limits"}
    paths |= {f"/api/keys/{{key_id}}/{what}" for what in ("limits", "policy", "roll")}
    paths |= {"/api/keys", "/api/keys/{key_id}", "/api/keys/usage"}
    paths |= {f"/api/operator/workspaces/{{workspace_id}}/{what}" for what in ("limits", "policy")}
    paths |= {"/api/operator/routes"}
    assert paths | {"/healthz", "/readyz"} <= set(document["paths"])
    there = {path for one in ROUTES if one.include_in_schema is not False for path in one.paths}
    assert set(document["paths"]) == {path.replace(":str}", "}") for path in there}
    usage = document["paths"]["/api/usage"]["get"]
    assert {item["name"] for item in usage["parameters"] if item["in"] == "query"} == {
        "model", "key", "status", "streamed", "from", "to", "cursor", "limit", "format",
    }  # fmt: skip
    for path, fields in (("/api/keys/{key_id}/policy", POLICY_FIELDS), ("/api/keys/{key_id}/limits", SPANS)):
        body = document["paths"][path]["put"]["requestBody"]["content"]["application/json"]["schema"]
        assert set(body["properties"]) == set(fields)
    shown = json.dumps(document["components"]["schemas"])
    assert all(name in shown for name in ("available_usd", "rates_pico_usd_per_unit", "balance_after_usd"))
    assert "password" not in json.dumps(document) and "workspace_active" not in json.dumps(document)
