# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of a rollout."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.rollout import FilterModule

GUESTS = FilterModule().filters()["rollout_guests"]


def test_each_gets_the_image():
    assert GUESTS([{"name": "a", "image": "1.xml", "vcpus": 2}, {"image": "1.xml"}], "2.xml") == [
        {"name": "a", "image": "2.xml", "vcpus": 2},
        {"image": "2.xml"},
    ]
    assert GUESTS([{"name": "a", "image": "1.xml"}]) == [{"name": "a", "image": "1.xml"}]


def test_one_that_is_to_go_is_left_out():
    assert GUESTS([{"name": "a", "state": "absent"}, {"name": "b", "state": "present"}], "2.xml") == [
        {"name": "b", "state": "present", "image": "2.xml"}
    ]


@pytest.mark.parametrize(
    "guest, expected",
    [
        ({}, {"timeout": 60}),
        ({"wait": None}, {"timeout": 60}),
        ({"wait": {"agent": True}}, {"agent": True, "timeout": 60}),
        ({"wait": {"timeout": "300"}}, {"timeout": 60}),
        ({"wait": {"timeout": 20}}, {"timeout": 20}),
        ({"wait": {"timeout": "soon"}}, {"timeout": "soon"}),
        ({"wait": "agent"}, "agent"),
    ],
    ids=repr,
)
def test_none_waits_longer_than_the_rollout(guest, expected):
    (rolled,) = GUESTS([guest], timeout=60)
    assert rolled["wait"] == expected


def test_the_way_back_has_names_and_no_image():
    guests = [{"image": "1.xml", "wait": {"agent": True}}, {"name": "c", "state": "absent"}, {"name": "b", "shutdown": {}}]
    assert GUESTS(guests, timeout=5, told=[{"name": "a", "status": "pending"}, {"name": "b"}]) == [
        {"name": "a", "wait": {"agent": True, "timeout": 5}},
        {"name": "b", "shutdown": {}, "wait": {"timeout": 5}},
    ]
    with pytest.raises(AnsibleFilterError, match="2 guests stay, and something was told of 0"):
        GUESTS(guests, told=[])


def test_the_input_stays_as_it_is():
    guests = [{"image": "1.xml", "wait": {"agent": True}}]
    GUESTS(guests, "2.xml", 5)
    assert guests == [{"image": "1.xml", "wait": {"agent": True}}]


@pytest.mark.parametrize(
    "guests, options, error",
    [
        ({"name": "a"}, {}, "a list of guests is needed, not dict"),
        (["a"], {}, "guests[0]: a dictionary is needed, not str"),
        ([], {"image": 2}, "image: must be the path or the URL of a descriptor, is 2"),
        ([{}], {"timeout": "soon"}, "timeout: must be a whole number of seconds, is 'soon'"),
        ([{}], {"timeout": -1}, "timeout: must be a whole number of seconds, is -1"),
        ([{}], {"timeout": True}, "timeout: must be a whole number of seconds, is True"),
        ([{}], {"told": {"a": 1}}, "told: what virt.image.generation returns as guests is needed, a list, not dict"),
        ([{}], {"told": ["a"]}, "told[0]: a dictionary is needed, not str"),
        ([{}], {"told": [{}]}, "told[0]: the name of a guest is needed, as virt.image.generation returns it; is None"),
    ],
    ids=repr,
)
def test_mistakes(guests, options, error):
    with pytest.raises(AnsibleFilterError) as caught:
        GUESTS(guests, **options)
    assert str(caught.value) == f"virt.image.rollout_guests: {error}"
