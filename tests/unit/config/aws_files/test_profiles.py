from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios3._config.aws_files.profiles import Section, merge_credentials, parse_config, parse_credentials
from aios3.errors import ConfigurationError

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYSECRETKEY="


def outcome(parse: Callable[[str, str], object], text: str) -> str:
    """What a user may get to see of a file: the repr of its profiles, or the error."""
    try:
        return repr(parse(text, "file"))
    except ConfigurationError as error:
        return f"refused: {error} {error.__cause__}"


def profile(text: str, name: str = "default") -> Section:
    return parse_config(text, "config").profiles[name]


def test_config_sections_are_told_apart_by_kind():
    """Profiles, services and sso-sessions of one name do not meet; other sections are passed over."""
    shared = parse_config(
        "[default]\nregion = a\n[profile x]\nregion = b\n[services x]\ns3 =\n  endpoint_url = http://c\n"
        "[sso-session x]\nsso_region = d\n[x]\nregion = e\n[plugins]\ncli = f\n[profile]\nregion = g\n",
        "config",
    )
    assert {name: section.values for name, section in shared.profiles.items()} == {
        "default": {"region": "a"},
        "x": {"region": "b"},
    }
    assert shared.services["x"].get("endpoint_url", within="s3") == "http://c"
    assert shared.sso_sessions["x"].get("sso_region") == "d"


@pytest.mark.parametrize(
    "text", ["[default]\nregion=a\n[profile default]\nregion=b", "[profile default]\nregion=b\n[default]\nregion=a"]
)
def test_profile_default_replaces_default(text):
    assert profile(text).values == {"region": "b"}


def test_credentials_sections_are_profiles_by_their_whole_name():
    profiles = parse_credentials("[a]\nk=1\n[\"my name\"]\nk=2\n[ spaced ]\nk=3\n['q']\nk=4", "credentials")
    assert {name: section.get("k") for name, section in profiles.items()} == {
        "a": "1",
        "my name": "2",
        "spaced": "3",
        "q": "4",
    }


@pytest.mark.parametrize(
    "header", ['[profile "my team"]', "[profile 'my team']", "[profile my team]", '[ profile\t"my team" ] # ours']
)
def test_profile_names_may_be_quoted(header):
    assert profile(f"{header}\nregion = a", "my team").get("region") == "a"


def test_a_lone_quote_is_part_of_the_name():
    assert profile("[profile o']\nregion = a", "o'").get("region") == "a"
    assert profile("[profile ']\nregion = a", "'").get("region") == "a"


def test_sections_that_come_again_go_on():
    """The same section twice is one, also under other quotes, and the last of two equal keys wins."""
    section = profile('[profile x]\na=1\nb=1\n[default]\n[profile "x"]\nb=2\n[profile x]\nc=3\nc=4', "x")
    assert section.values == {"a": "1", "b": "2", "c": "4"}


def test_a_comment_has_a_line_of_its_own():
    """As in the AWS CLI: after a value # and ; belong to it, which a command or a name may need."""
    section = profile("# x\n; y\n[default] ; z\n  # indented\na = 1 # one\nb = x#y;z\nc = # all\n# d = 1\n;e = 1")
    assert section.values == {"a": "1 # one", "b": "x#y;z", "c": "# all"}


def test_a_colon_sets_a_value_too():
    """Whichever of = and : comes first ends the key; below a key an equals sign comes first anyway."""
    section = profile("[default]\nregion: a\nx : http://h:1/?q=1\ny = b:c\ns3:\n  addressing_style: path\n  a:b = c")
    assert section.values == {"region": "a", "x": "http://h:1/?q=1", "y": "b:c", "s3": ""}
    assert section.nested == {"s3": {"addressing_style": "path", "a:b": "c"}}


def test_indented_lines_under_an_empty_key_are_sub_keys():
    """``s3 =`` opens a block that ends at the next line that is not deeper; blank lines and comments are no end."""
    section = profile(
        "[default]\ns3 =\n  addressing_style = path\n\n  # more\n  Max_Bandwidth=1\nregion = a\ns4=\n\tk = v\n"
    )
    assert section.nested == {"s3": {"addressing_style": "path", "max_bandwidth": "1"}, "s4": {"k": "v"}}
    assert section.get("addressing_style", within="s3") == "path"
    assert section.get("addressing_style") is None
    assert section.get("region") == "a"


def test_indented_lines_under_a_value_continue_it():
    assert profile("[default]\na = 1\n  [x]\nb = 2").values == {"a": "1\n[x]", "b": "2"}


def test_a_section_may_be_indented_as_a_whole():
    """What counts is how deep a line is below the key above it, not the margin."""
    assert profile("  [default]\n    a = 1\n    b = 2\n  c = 3").values == {"a": "1", "b": "2", "c": "3"}


def test_the_last_of_two_blocks_wins():
    assert profile("[default]\ns3 =\n  a = 1\ns3 =\n  b = 2").nested == {"s3": {"b": "2"}}
    assert profile("[default]\ns3 =\n  a = 1\ns3 = x").nested == {}


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_line_ends_and_byte_order_mark_do_not_matter(end):
    text = "\ufeff" + end.join(["[default]", "region = a", "s3 =", "  x = y", ""])
    assert profile(text).values == {"region": "a", "s3": ""}
    assert profile(text).nested == {"s3": {"x": "y"}}


def test_keys_ignore_case_and_values_keep_it():
    """Keys are lower-cased; a value is everything after the first equals sign, trimmed."""
    assert profile("[default]\nAWS_Secret_Access_KEY =  a=B/c==  ").values == {"aws_secret_access_key": "a=B/c=="}


def test_empty_values_count_as_missing():
    assert profile("[default]\nregion =").get("region") is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"aws_secret_access_key = {SECRET}", 1),
        (f"[default]\n\n# c\naws_secret_access_key {SECRET.rstrip('=')}", 4),
        (f"[default]\r\n= {SECRET}", 2),
        (f"[default {SECRET}", 1),
        (f"[default] {SECRET}", 1),
        ("\n[ ]", 2),
        (f"[default]\ns3 =\n  {SECRET.rstrip('=')}", 3),
        (f"[default]\ns3 =\n  = {SECRET}", 3),
    ],
)
def test_a_malformed_line_is_named_by_its_number_only(text, line):
    with pytest.raises(ConfigurationError, match=rf"^/home/u/config, line {line}: ") as caught:
        parse_config(text, "/home/u/config")
    assert SECRET.rstrip("=") not in str(caught.value)
    assert caught.value.__suppress_context__


def test_values_do_not_show_in_repr():
    shared = parse_config(f"[default]\naws_secret_access_key = {SECRET}\ns3 =\n  token = {SECRET}", "config")
    assert SECRET not in repr(shared)
    assert "default" in repr(shared)


def test_the_credentials_file_wins_over_config():
    """Settings of one profile in both files are laid over each other; profiles of either stand alone."""
    config = parse_config("[default]\nregion = a\noutput = b\n[profile only_config]\nregion = c", "config")
    merged = merge_credentials(
        config, parse_credentials("[default]\nregion = d\n[only_keys]\nregion = e", "credentials")
    )
    assert {name: section.values for name, section in merged.profiles.items()} == {
        "default": {"region": "d", "output": "b"},
        "only_config": {"region": "c"},
        "only_keys": {"region": "e"},
    }


def test_keys_of_two_files_are_never_mixed():
    """A token or secret in config does not complete the keys of the credentials file."""
    config = parse_config(
        "[default]\naws_access_key_id = A\naws_secret_access_key = a\naws_session_token = t\nregion = r\ns3 =\n  k = v",
        "config",
    )
    merged = merge_credentials(config, parse_credentials("[default]\naws_access_key_id = B", "credentials"))
    assert merged.profiles["default"] == Section(
        {"aws_access_key_id": "B", "region": "r", "s3": ""}, {"s3": {"k": "v"}}
    )


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_profiles_or_a_configuration_error(text):
    assert outcome(parse_config, text).startswith(("SharedConfig(", "refused: file, line "))
    assert outcome(parse_credentials, text).startswith(("{", "refused: file, line "))


PIECES = st.lists(
    st.sampled_from(
        ["]", "default", "profile ", '"', "=", " = ", "\n", "\n  ", "\r", "\ufeff", "#", " ;", "s3", SECRET]
    )
)


@settings(deadline=None)
@given(PIECES)
def test_the_secret_is_never_shown(pieces):
    """However brackets, comments and ends of line are mixed up before a secret, neither error nor repr repeat it."""
    text = "[default]\naws_secret_access_key = " + "".join(pieces)
    assert SECRET[:8] not in outcome(parse_config, text)


NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)
VALUES = st.text("ABCxyz0189+/=._:-#;", min_size=1)


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(profiles, end):
    lines = []
    for name, values in profiles.items():
        lines += [f"[profile {name}]", *(f"{key} = {value}" for key, value in values.items() if value[0] not in "#;")]
    read = parse_config(end.join(lines), "file").profiles
    assert {name: dict(section.values) for name, section in read.items()} == {
        name: {key: value for key, value in values.items() if value[0] not in "#;"} for name, values in profiles.items()
    }
