"""Ferries are launched over a socket, too."""

from sqlalchemy.orm import Session

from tests.deploy.replicas.ferries import services
from trivet_realtime import channel, rpc


@channel("ferries:{name}")
def ferry(name: str) -> bool:
    return bool(name)


@rpc("ferries:launch", str)
def launch(db: Session, data: str) -> str:
    services.launch(db, None, data)
    return data
