"""The pool of the async engine, and how long it lets a unit wait for a connection."""

import time

from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from trivet.observation import Observers, PoolWaited


class ObservedPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's own pool; `observers` get the time of each checkout, by the pool's `name`."""

    observers: Observers = Observers()
    name = "database"

    def connect(self) -> PoolProxiedConnection:
        if not self.observers.active:
            return super().connect()
        began, succeeded = time.perf_counter(), False
        try:
            connection = super().connect()
            succeeded = True
            return connection
        finally:
            seconds = time.perf_counter() - began
            self.observers.emit(PoolWaited(self.name, seconds, succeeded))
