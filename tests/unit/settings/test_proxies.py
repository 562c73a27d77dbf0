"""Which proxy the environment names for an address."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.settings.proxies import proxy_for

PROXY = "http://proxy.example.com:3128"
EVS = "https://evs.example.com/v3"


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        (EVS, {}, None),
        (EVS, {"HTTPS_PROXY": PROXY}, PROXY),
        (EVS, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
        (EVS, {"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
        (EVS, {"HTTP_PROXY": PROXY}, None),
        ("http://evs.example.com", {"HTTP_PROXY": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
        (EVS, {"ALL_PROXY": PROXY}, PROXY),
        (EVS, {"ALL_PROXY": "socks://x", "HTTPS_PROXY": PROXY}, PROXY),
        (EVS, {"HTTPS_PROXY": "proxy.example.com:3128"}, PROXY),
        ("http://localhost:8776", {"ALL_PROXY": PROXY}, None),
        ("http://127.0.0.2", {"ALL_PROXY": PROXY}, None),
        ("http://[::1]:5000", {"ALL_PROXY": PROXY}, None),
        ("http://x.localhost", {"ALL_PROXY": PROXY}, None),
        ("http://localhost.example.com", {"ALL_PROXY": PROXY}, PROXY),
    ],
)
def test_the_schemes_own_variable_counts_before_all_proxy(
    url: str, environ: dict[str, str], proxy: str | None
) -> None:
    """found: a SOCKS proxy that no request would have used ended the run."""
    assert proxy_for(url, environ=environ) == proxy


COVERED = [
    (EVS, "*"), (EVS, "evs.example.com"), (EVS, "example.com"), (EVS, ".example.com"),
    (EVS, "*.example.com"), (EVS, "EXAMPLE.com"), (EVS, "a.example , example.com"),
    (EVS, "a b example.com"), (EVS, "evs.example.com:443"), (EVS, "https://evs.example.com"),
    (EVS, "[oops,example.com"), (EVS, "1.2.3.4/99,example.com:443"),
    ("https://evs.example.com.:8443", "example.com:8443"),
    ("https://10.1.2.3", "10.1.2.3"), ("https://10.1.2.3", "10.0.0.0/8"),
    ("https://10.1.2.3:8443", "10.1.2.3:8443"), ("https://[2001:db8::1]", "[2001:db8::1]"),
    ("https://[2001:db8::1]", "2001:db8::/32"), ("https://[2001:db8::1]", "[2001:db8::]/32"),
    ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
    ("https://[2001:DB8:0::1]", "2001:db8::1"),
]  # fmt: skip
NOT_COVERED = [
    (EVS, ""), (EVS, "evs.example.com:8443"), (EVS, "ample.com"), (EVS, "x.evs.example.com"),
    (EVS, "10.0.0.0/8"), (EVS, "[oops"), (EVS, "http://["), (EVS, "example.com:port"), (EVS, ","),
    (EVS, "."), (EVS, "*."), ("https://11.1.2.3", "10.0.0.0/8"), ("https://10.1.2.3", "0.1.2.3"),
    ("https://[2001:db9::1]", "2001:db8::/32"),
]  # fmt: skip


def test_no_proxy_holds_names_addresses_and_networks() -> None:
    for cases, proxy in ((COVERED, None), (NOT_COVERED, PROXY)):
        for url, no_proxy in cases:
            environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}
            assert proxy_for(url, environ=environ) == proxy, (url, no_proxy)


@given(st.text(), st.text())
def test_any_variable_is_read_or_skipped(no_proxy: str, proxy: str) -> None:
    """Property: what cannot be read in NO_PROXY is skipped."""
    with suppress(UnicodeError):
        proxy_for(EVS, environ={"NO_PROXY": no_proxy, "ALL_PROXY": proxy})
