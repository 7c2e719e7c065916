"""A web application on FastAPI: each booking is written once, however often it is sent.

SQLATCH_URL=http://127.0.0.1:8000/main SQLATCH_TOKEN=... uvicorn examples.bookings:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

from sqlatch import aio
from sqlatch.errors import Constraint

TABLE = "CREATE TABLE IF NOT EXISTS booking (seat TEXT PRIMARY KEY, passenger TEXT NOT NULL)"


class Booking(BaseModel):
    """A seat, and who sits there."""

    seat: str
    passenger: str


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    """Share one client between all requests, in the event loop that serves them."""
    url, token = os.environ["SQLATCH_URL"], os.environ.get("SQLATCH_TOKEN")
    async with aio.connect(url, token=token) as database:
        await database.execute(TABLE)
        app.state.database = database
        yield


app = FastAPI(lifespan=connected)


def database_of(request: Request) -> aio.Client:
    """Return the client of the application."""
    client: aio.Client = request.app.state.database
    return client


Database = Annotated[aio.Client, Depends(database_of)]


@app.put("/bookings/{key}")
async def book(key: str, booking: Booking, database: Database) -> dict[str, Any]:
    """Book a seat. A browser that got no answer sends it again under the same key."""
    try:
        result = await database.execute(
            "INSERT INTO booking VALUES (:seat, :passenger)",
            booking.model_dump(),
            idempotency_key=f"booking-{key}",
        )
    except Constraint as error:
        raise HTTPException(409, f"seat {booking.seat} is taken") from error
    return {"booked": True, "replayed": result.meta["replayed"]}


@app.get("/bookings")
async def booked(database: Database) -> list[dict[str, Any]]:
    """List who sits where."""
    return (await database.query("SELECT * FROM booking ORDER BY seat")).dicts()
