# SPDX-License-Identifier: GPL-3.0-or-later
"""Never more messages in work than allowed, in a worker and in all of them."""

import os
from concurrent.futures import Future

from milterguard.server.admission import Admission, Seats


def door(seats: Seats, *, each: int = 10, total: int = 100) -> Admission:
    seat = seats.take()
    assert seat is not None
    return Admission(seats, seat, max_messages=each, max_messages_total=total)


def test_a_worker_takes_its_maximum_and_no_more() -> None:
    """The third of two is refused, and taken once a place is free."""
    admission = door(Seats(), each=2)
    places = [admission.enter() for _ in range(3)]
    assert places[0] is not None
    assert places[2] is None
    places[0].drop()
    assert admission.enter() is not None
    assert admission.count == 2


def test_all_workers_together_take_their_maximum() -> None:
    """Two doors share a total of three."""
    seats = Seats()
    doors = [door(seats, total=3), door(seats, total=3)]
    taken = [each.enter() for _ in range(3) for each in doors]
    assert sum(place is not None for place in taken) == 3
    assert seats.total() == 3


def test_counters_are_shared_with_a_forked_process() -> None:
    """What a child has in work counts here; it is forgotten with its seat."""
    seats = Seats()
    seat = seats.take()
    assert seat is not None
    pid = os.fork()
    if pid == 0:
        Admission(seats, seat, max_messages=5, max_messages_total=5).enter()
        os._exit(0)
    os.waitpid(pid, 0)
    assert seats.total() == 1
    assert door(seats, total=1).enter() is None
    seats.give_back(seat)
    assert door(seats, total=1).enter() is not None


def test_a_place_is_given_back_by_its_last_holder() -> None:
    """The session's hold and that of a check, which drops it as a future's callback."""
    admission = door(Seats())
    place = admission.enter()
    assert place is not None
    check: Future[None] = Future()
    place.hold()
    check.add_done_callback(place.drop)
    place.drop()
    assert admission.count == 1
    check.set_result(None)
    assert admission.count == 0


def test_seats_run_out_and_come_back() -> None:
    """There is none for a third process until one was given back."""
    seats = Seats(2)
    taken = [seats.take(), seats.take()]
    assert seats.take() is None
    assert taken[1] is not None
    seats.give_back(taken[1])
    assert seats.take() == taken[1]
