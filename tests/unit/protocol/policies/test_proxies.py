"""Which proxy a request takes."""

from __future__ import annotations

import pytest

from aios3._protocol.policies.proxies import NO_PROXIES, Proxies, Proxy, parse_proxy
from aios3.errors import ConfigurationError

ENVIRON = {"http_proxy": "http://plain:1", "HTTPS_PROXY": "http://secure:2", "NO_PROXY": "localhost, .internal"}


def by_environment(environ: dict[str, str], proxy: str | None = None) -> Proxies:
    return Proxies.choose(proxy, trust_env=True, environ=environ)


def url(proxies: Proxies, scheme: str = "https", host: str = "h") -> str | None:
    found = proxies.find(scheme, host)
    return None if found is None else found.url


def test_by_default_there_is_none() -> None:
    """Whatever the environment says."""
    assert Proxies.choose(None, trust_env=False, environ=ENVIRON) == NO_PROXIES
    assert NO_PROXIES.find("http", "h") is None


def test_an_argument_is_for_every_host() -> None:
    """Also for hosts of NO_PROXY, because the environment does not count."""
    proxies = Proxies.choose("http://p:3", trust_env=False, environ=ENVIRON)
    assert {url(proxies, scheme, host) for scheme in ("http", "https") for host in ("h", "localhost:9000")} == {
        "http://p:3"
    }


def test_an_argument_comes_before_the_variables() -> None:
    """With trust_env, NO_PROXY counts for it."""
    proxies = by_environment(ENVIRON, "http://p:3")
    assert (url(proxies), url(proxies, "http"), url(proxies, "https", "a.internal")) == ("http://p:3",) * 2 + (None,)


def test_the_variable_is_that_of_the_scheme() -> None:
    """Else all_proxy."""
    proxies = by_environment(ENVIRON)
    assert (url(proxies, "http"), url(proxies, "https")) == ("http://plain:1", "http://secure:2")
    proxies = by_environment({"ALL_PROXY": "http://all:4", "http_proxy": "http://plain:1"})
    assert (url(proxies, "http"), url(proxies, "https")) == ("http://plain:1", "http://all:4")
    assert by_environment({}).find("https", "h") is None


def test_lower_case_comes_first_even_if_it_is_empty() -> None:
    """An empty variable switches the proxy off, as in curl."""
    assert url(by_environment({"HTTPS_PROXY": "http://a", "https_proxy": "http://b"})) == "http://b:80"
    assert url(by_environment({"HTTPS_PROXY": "http://a", "https_proxy": ""})) is None


def test_a_client_of_a_cgi_program_chooses_no_proxy() -> None:
    """Its header Proxy would be HTTP_PROXY there."""
    environ = {"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}
    assert url(by_environment(environ), "http") is None
    assert url(by_environment({**environ, "http_proxy": "http://good:1"}), "http") == "http://good:1"


@pytest.mark.parametrize(
    ("entry", "host", "bypassed"),
    [
        ("*", "anything", True),
        ("example.org", "example.org", True),
        ("example.org", "s3.example.org:9000", True),
        (".example.org", "example.org", True),
        ("*.Example.org", "S3.EXAMPLE.org", True),
        ("example.org", "badexample.org", False),
        ("example.org", "example.org.evil", False),
        ("example.org", "example.org.", True),
        ("example.org:443", "example.org", True),
        ("example.org:9000", "example.org", False),
        ("example.org:9000", "example.org:9000", True),
        ("10.0.0.0/8", "10.1.2.3:9000", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example.org", False),
        ("10.0.0.0/99", "10.1.2.3", False),
        ("127.0.0.1", "127.0.0.1:80", True),
        ("::1", "[::1]:9000", True),
        ("[::1]:9000", "[::1]:9000", True),
        ("[::1]:9000", "[::1]:9001", False),
        ("fd00::/8", "[fd00::1]", True),
        ("[broken", "h", False),
        ("h:port", "h", False),
        ("a b, c", "b", True),
        (",, ", "h", False),
        (".", "h", False),
        ("", "h", False),
    ],
)
def test_no_proxy_names_hosts_domains_addresses_and_networks(entry: str, host: str, bypassed: bool) -> None:
    """With or without a port; what cannot be read names nothing."""
    proxies = by_environment({"https_proxy": "http://p", "no_proxy": entry})
    assert (proxies.find("https", host) is None) == bypassed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://p:3128", Proxy("http://p:3128")),
        ("https://p/", Proxy("https://p:443")),
        ("p", Proxy("http://p:80")),
        ("p:3128", Proxy("http://p:3128")),
        ("HTTP://[::1]:1", Proxy("http://[::1]:1")),
        ("http://u:p%40ss@p:1", Proxy("http://p:1", "Basic dTpwQHNz")),
        ("u@p:1", Proxy("http://p:1", "Basic dTo=")),
    ],
)
def test_a_proxy_is_a_host_with_or_without_a_login(text: str, expected: Proxy) -> None:
    """The scheme http and its port are the default."""
    assert parse_proxy(text, "x") == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "http://", "http://u:hidden@p:port", "http://[", "http://u:hidden@p\n", "a b"),
        # The password has a character that ends the host.
        *("http://u:12/hidden@p:3128", "http://u:1?hidden@p", "u:1#hidden@p:3128"),
    ],
)
def test_what_is_no_proxy_is_an_error_without_the_text(text: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigurationError, match=r"^there: the proxy must be a URL") as caught:
        parse_proxy(text, "there")
    assert "hidden" not in str(caught.value)


def test_a_proxy_that_does_not_speak_http_is_an_error_when_it_is_needed() -> None:
    """It names the variable."""
    proxies = by_environment({"all_proxy": "socks5://u:hidden@p:1", "http_proxy": "http://p:1"})
    assert url(proxies, "http") == "http://p:1"
    with pytest.raises(ConfigurationError, match=r"^all_proxy: only http:// and https:// .* not socks5://$") as caught:
        proxies.find("https", "h")
    assert "hidden" not in str(caught.value)


def test_logins_do_not_show_in_repr() -> None:
    """Neither of the choice nor of the proxy."""
    proxies = by_environment({"https_proxy": "http://u:hidden@p:1"})
    assert "hidden" not in repr(proxies)
    assert "Basic" not in repr(proxies.find("https", "h"))
