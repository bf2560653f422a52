# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds of cloud-init: what is taken and what is refused, the files, and the names that follow from them."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.names import name_mistake
from ansible_collections.virt.image.plugins.module_utils._core.seed import (
    KEYS,
    MAX_BYTES,
    Seed,
    parse_seed,
    seed_digest,
    seed_files,
    seed_name,
)
from ansible_collections.virt.image.tests.unit.support import WORDS, examples

SECRET = "tops3cret"
MIME = 'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n--b\n'
HEADERS = (
    "{place} must be #cloud-config, or begin with #! (a script), #include, #cloud-boothook, #cloud-config-archive, "
    "#part-handler or ## template: jinja, or be the first header of a MIME message that has MIME-Version and "
    "Content-Type"
)
IGNORED = "user_data does not begin with what cloud-init knows, so that it would be ignored; "
FIRST = IGNORED + HEADERS.format(place="its first line")
AFTER = IGNORED + HEADERS.format(place="the line after ## template: jinja")
NO_MAPPING = "is no YAML mapping; it must have lines such as key: value"


def parse(plain):
    """Return the seed and the mistakes."""
    mistakes = []
    return parse_seed(plain, mistakes.append), mistakes


def mistakes(**plain):
    seed, found = parse(plain)
    assert isinstance(seed, Seed)
    return found


def meta_data(text, name="web1"):
    return seed_files(Seed(meta_data=text), name)["meta-data"].decode()


def test_no_seed():
    assert parse(None) == (None, [])


def test_an_empty_seed_is_one():
    assert parse({}) == (Seed(), [])
    assert parse(dict.fromkeys(KEYS)) == parse(dict.fromkeys(KEYS, "")) == (Seed(), [])


def test_texts_are_kept():
    plain = {"user_data": "#cloud-config\n", "meta_data": "instance-id: a", "network_config": "version: 2\n"}
    assert parse(plain) == (Seed("#cloud-config\n", "instance-id: a", "version: 2\n"), [])


def test_marked_text_becomes_plain():
    class Marked(str):
        pass

    seed, found = parse({"user_data": Marked("#!/bin/sh\n")})
    assert (type(seed.user_data), found) == (str, [])


@pytest.mark.parametrize("plain", [SECRET, [SECRET], 7, True])
def test_no_dictionary(plain):
    assert parse(plain) == (None, ["must be a dictionary with some of user_data, meta_data, network_config"])


def test_unknown_keys():
    assert mistakes(**{"user-data": "x", "vendor_data": "y"}) == [
        "'user-data' is no option of a seed; it has user_data, meta_data, network_config",
        "'vendor_data' is no option of a seed; it has user_data, meta_data, network_config",
    ]


@pytest.mark.parametrize(
    "value, noun",
    [({"a": SECRET}, "a mapping"), ([SECRET], "a list"), ((SECRET,), "a list"), (7, "no text"), (b"a: b", "no text")],
)
@pytest.mark.parametrize(
    "key, hint",
    [
        ("user_data", '"#cloud-config\\n{{ data | to_nice_yaml }}"'),
        ("meta_data", '"{{ data | to_nice_yaml }}"'),
        ("network_config", '"{{ data | to_nice_yaml }}"'),
    ],
)
def test_no_text(key, hint, value, noun):
    expected = f"{key} is {noun}, and must be text; write it as a block ({key}: |), or render it: {hint}"
    assert mistakes(**{key: value}) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\n",
        "#cloud-config",
        "#cloud-config\r\nusers: []\r\n",
        "#cloud-config-archive\n- a\n",
        "#!/bin/sh\necho\n",
        "#include\nhttps://example.org/a\n",
        "#include-once https://example.org/a\n",
        "#cloud-boothook\n",
        "#part-handler\n",
        "## template: jinja\n#cloud-config\n",
        "## template: jinja\n\n#!/bin/sh\n",
        "## template: jinja\n{% if true %}\n#cloud-config\n{% endif %}\n",
        MIME,
        MIME.replace("\n", "\r\n"),
        f"From nobody Tue Jan  1 00:00:00 2019\n{MIME}",
        "mime-version: 1.0\ncontent-type: text/cloud-config\n\nusers: []\n",
        "Content-Type: multipart/mixed;\n boundary=b\nMIME-Version: 1.0\n\n",
        "#ps1_sysnative\n",
        "rem cmd\n",
        "<powershell>\n",
        "#alpine-config\n",
    ],
)
def test_user_data_that_is_taken(text):
    assert parse({"user_data": text}) == (Seed(text), [])


@pytest.mark.parametrize(
    "text",
    [
        f"users: [{SECRET}]\n",
        "# cloud-config\n",
        "#Cloud-Config\n",
        "\n#cloud-config\n",
        "\ufeff#cloud-config\n",
        " ",
        "{'users': []}",
        "---\n#cloud-config\n",
        # cloud-init looks for MIME-Version only.
        "Content-Type: text/cloud-config\n\nusers: []\n",
        "Subject: a\n\nMIME-Version: 1.0\n",
        "- MIME-Version: 1.0\n",
        f"X: {'x' * 4096}\nMIME-Version: 1.0\n\n",
    ],
)
def test_user_data_that_would_be_ignored(text):
    assert mistakes(user_data=text) == [FIRST]


@pytest.mark.parametrize("text", ["## template: jinja", "## template: jinja\nusers: []\n"])
def test_a_template_that_would_be_ignored(text):
    assert mistakes(user_data=text) == [AFTER]


@pytest.mark.parametrize(
    "text",
    [
        "version: 2",
        "version: 2\nethernets: {}\n",
        "# comment\n\n---\nnetwork:\n  version: 1\n",
        "%YAML 1.1\n---\nversion: 2\n",
        '{"version": 2}',
        "{\n}",
        '  "version": 2\r\n',
        "version:\r\n",
    ],
)
@pytest.mark.parametrize("key", ["meta_data", "network_config"])
def test_a_mapping(key, text):
    assert mistakes(**{key: text}) == []


@pytest.mark.parametrize("text", [SECRET, "- a: b\n", "[a: b]", "# a: b\n", "---\n", " ", "|\n a: b\n", "http://x\n"])
@pytest.mark.parametrize("key", ["meta_data", "network_config"])
def test_no_mapping(key, text):
    assert mistakes(**{key: text}) == [f"{key} {NO_MAPPING}"]


@pytest.mark.parametrize("key", KEYS)
def test_what_no_text_can_hold(key):
    assert mistakes(**{key: f"#cloud-config\na: {SECRET}\0"}) == [
        f"{key} holds a NUL character; it must be text, and cannot be compressed"
    ]
    assert mistakes(**{key: f"#cloud-config\na: {SECRET}\udc80"}) == [
        f"{key} holds half of a surrogate pair, which is no character and cannot be written"
    ]


@pytest.mark.parametrize("key", KEYS)
def test_bound(key):
    head = "#cloud-config\na: é"
    full = head + "x" * (MAX_BYTES - len(head.encode()))
    assert mistakes(**{key: full}) == []
    assert mistakes(**{key: full + "x"}) == [
        f"{key} has 1048577 bytes, and at most 1048576 make sense; let the guest fetch what is so large"
    ]


def test_every_mistake_is_told():
    found = mistakes(user_data=SECRET, meta_data=[SECRET], network_config=SECRET, other=SECRET)
    assert [text.split()[0] for text in found] == ["'other'", *KEYS]
    assert SECRET not in "".join(found)


@examples(100)
@given(st.dictionaries(st.sampled_from(KEYS), WORDS | st.lists(WORDS) | st.integers() | st.none()))
def test_any_value_is_taken_or_refused(plain):
    seed, found = parse(plain)
    for text in found:
        assert text.split()[0] in KEYS
    for content in seed_files(seed, "web1").values():
        assert content


def test_repr_holds_no_text():
    assert repr(Seed(SECRET, SECRET, SECRET)) == "Seed()"
    assert Seed("a") != Seed("b")


def test_files_by_default():
    assert seed_files(Seed(), "web1") == {
        "meta-data": b"instance-id: web1\nlocal-hostname: web1\n",
        "user-data": b"#cloud-config\n",
    }


def test_files_as_given():
    seed = Seed("#!/bin/sh\necho é", "instance-id: 7\n", "version: 2")
    assert seed_files(seed, "web1") == {
        "meta-data": b"instance-id: 7\n",
        "user-data": "#!/bin/sh\necho é".encode(),
        "network-config": b"version: 2",
    }


@pytest.mark.parametrize(
    "name, host_name",
    [
        ("web1", "web1"),
        ("web1.example.org", "web1.example.org"),
        ("web_1", "web-1"),
        ("My Guest", "My-Guest"),
        ("42", "42"),
        ("no", "no"),
        ("Null", "Null"),
        ("1e3", "1e3"),
        ("a: b #c", "a-b-c"),
        ('quo"te\\', "quo-te"),
        ("{{ x }}", "x"),
        ("_a_._.b..c", "a.b.c"),
        ("x" * 100, "x" * 63),
        ("日本", None),
        ("😀1", "1"),
    ],
)
def test_names_are_read_back_from_yaml(name, host_name):
    assert name_mistake(name) is None
    expected = {"instance-id": name, **({"local-hostname": host_name} if host_name else {})}
    assert yaml.safe_load(meta_data(None, name)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "instance-id: a",
        "local-hostname: b\ninstance-id: a\n",
        '"instance-id": a\n',
        "  b: c\n  'instance-id' : a\n",
        "---\nb: c\ninstance-id:\n  a\n",
        '{"b": "c", "instance-id": "a"}',
        "{\n  b: c,\n  instance-id: a\n}\n",
    ],
)
def test_an_instance_id_that_is_there_stays(text):
    assert meta_data(text) == text
    assert yaml.safe_load(text)["instance-id"] == "a"


@pytest.mark.parametrize(
    "text",
    [
        "local-hostname: b",
        "# instance-id: a\n\nlocal-hostname: b\n",
        "%YAML 1.1\n---\nlocal-hostname: b\n...\n",
        "  local-hostname: b\n  keys:\n    instance-id: a\n",
        "keys:\n  instance-id: a\nnote: |\n  instance-id: a\n",
        "a-instance-id: b\ninstance-id-b: c\n",
        "local-hostname: b\r\nc: d\r\n",
        '{"local-hostname": "b"}',
        "  {\n  local-hostname: b\n}\n",
        "{}",
    ],
)
@pytest.mark.parametrize("name", ["web1", 'we"b: 1'])
def test_an_instance_id_that_is_not_there_is_added(text, name):
    assert mistakes(meta_data=text) == []
    assert yaml.safe_load(meta_data(text, name)) == {**yaml.safe_load(text), "instance-id": name}


FILES = {"a": b"12", "b": b""}


def test_digest_is_the_same_for_the_same():
    assert seed_digest(FILES) == seed_digest(dict(reversed(FILES.items())))
    # Names of volumes hang on it: not to change (printf 1:a2:121:b0: | sha256sum).
    assert seed_digest(FILES) == "3a8bd320f602cbf382bbff006376880108242610533b1d9a11e9bcb01d7058b5"


@pytest.mark.parametrize(
    "other",
    [{}, {"a": b"12"}, {"a": b"1", "b": b"2"}, {"a1": b"2", "b": b""}, {"a": b"12", "c": b""}, {"a": b"", "b": b"12"}],
)
def test_digest_is_another_for_another(other):
    assert seed_digest(other) != seed_digest(FILES)


@pytest.mark.parametrize("name", ["web1", "web.raw", "日本"])
def test_name(name):
    assert seed_name(name, "0123456789abcdef" * 4) == f"{name}-seed-0123456789abcdef.iso"
