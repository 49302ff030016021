"""Messages between the processes about the clients of sockets.

A client is connected to one process, and others may have something for it: the server API was
called there, its next command arrived there by HTTP, or somebody joined a channel there. Nothing
of this is stored; a process that misses a message has missed what a lost connection would miss too.
"""

from trivet.broker import ChannelMessage, Message


class ClientControl(Message, frozen=True, tag="client-control"):
    """A command of the server API about clients, which every process carries out for its own.

    Attributes:
        method: ``disconnect``, ``unsubscribe``, ``subscribe`` or ``refresh``.
        request: The request of that method, as JSON.
    """

    method: str
    request: str


class ClientFrame(Message, frozen=True, tag="client-frame"):
    """What a client sent by HTTP, for the process that has its connection.

    Attributes:
        node: That process.
        session: The secret name of the connection in it.
        data: The frame, as text.
    """

    node: str
    session: str
    data: str


class ChannelPush(ChannelMessage, frozen=True, kw_only=True, tag="channel-push"):
    """A push to all who hear a channel in other processes: somebody comes or goes.

    Attributes:
        node: The process that has sent it to its own clients.
        frame: The push, as JSON.
    """

    node: str
    frame: str


class EphemeralPublication(ChannelMessage, frozen=True, kw_only=True, tag="ephemeral"):
    """A publication that is no row, for all who hear a channel in other processes.

    Attributes:
        node: The process that has sent it to its own clients.
        data: Its JSON.
        tags: A JSON object of strings; None if it has none.
        publisher: The client that published it, as a JSON object; None if no client did.
    """

    node: str
    data: str
    tags: str | None = None
    publisher: str | None = None


class Survey(Message, frozen=True, tag="survey"):
    """A question to every process about its clients.

    Attributes:
        asker: The process that asks, and gets the answers.
        number: The question's name there.
        method: ``channels`` or ``info``, of the server API, or ``connections``, of
            `trivet.delivery.connection_states`.
        request: The request of that method, as JSON.
    """

    asker: str
    number: str
    method: str
    request: str


class SurveyAnswer(Message, frozen=True, tag="survey-answer"):
    """The answer of one process to a `Survey`, for the process that asked, or a part of it.

    An answer that is too large for one message comes in parts. Each part is a result for itself.

    Attributes:
        asker: That process.
        number: The question's name there.
        result: The result of the method for this process alone, as JSON.
        node: The process that answers; empty for one of a version that did not tell it.
        parts: The number of parts of this answer.
    """

    asker: str
    number: str
    result: str
    node: str = ""
    parts: int = 1
