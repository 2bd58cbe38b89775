"""What a deployment is called and how its names look: read from `[brand]` of `farebox.toml`."""

import msgspec


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`header_prefix` "Tokeo" gives `X-Tokeo-Cost-USD`; `key_prefix` "tokeo_" starts every key."""

    name: str = "Farebox"
    header_prefix: str = "Farebox"
    key_prefix: str = "fbx_"
    credit_name: str = "Service Credit"
    seller_of_record: str = ""
    low_balance_usd: str = "1.00"
    top_up_url: str = ""

    def header(self, name: str) -> str:
        """`header("Cost-USD")` -> `x-tokeo-cost-usd`, as ASGI wants it."""
        return f"x-{self.header_prefix}-{name}".lower()
