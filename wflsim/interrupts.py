"""Ctrl-C, held back where answering it at once would end the process, and answered where it would be lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGINT, getsignal, signal
from threading import current_thread, main_thread
from typing import Any


@contextmanager
def held_back() -> Iterator[None]:
    """Answer Ctrl-C when the block is over, and not within it.

    While PyTorch is loaded its libraries call Python; an exception that comes back from there ends the process with SIGABRT,
    so that a run could not say that it was interrupted. Elsewhere than in the main thread nothing is to be held.
    """
    before = getsignal(SIGINT)
    if current_thread() is not main_thread() or not callable(before):
        yield
        return
    came: list[tuple[Any, ...]] = []
    signal(SIGINT, lambda *which: came.append(which))
    try:
        yield
    finally:
        signal(SIGINT, before)
        if came:
            before(*came[-1])


@contextmanager
def heeded() -> Iterator[Callable[[], None]]:
    """Give what raises KeyboardInterrupt if Ctrl-C has come and the work went on all the same.

    An exception that comes up in a destructor, or in what a library calls back, is dropped there, and Ctrl-C with it.
    """
    before = getsignal(SIGINT)
    if current_thread() is not main_thread() or not callable(before):
        yield lambda: None
        return
    came: list[int] = []

    def noted(number: int, frame: Any) -> None:
        came.append(number)
        before(number, frame)

    def ask() -> None:
        if came:
            raise KeyboardInterrupt

    signal(SIGINT, noted)
    try:
        yield ask
    finally:
        signal(SIGINT, before)
