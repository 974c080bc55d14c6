# A device made of Apache Qpid Proton, which checks its peer more strictly than the SDKs. It signs in with SASL PLAIN, goes
# through all that a device does once, and prints a JSON line for each step.
# Environment: AZX_ADDRESS (host:port), AZX_HOST (name of the hub), AZX_CA (PEM file), AZX_USER, AZX_PASSWORD, AZX_DEVICE.
import json
import os
import uuid

from proton import Delivery, Message, SSLDomain, symbol
from proton.reactor import LinkOption
from proton.utils import BlockingConnection

ENV = os.environ
PATH = "/devices/" + ENV["AZX_DEVICE"]
PATIENCE = 30


class Channel(LinkOption):
    """The properties by which two links belong together."""

    def __init__(self, name):
        self.name = name

    def apply(self, link):
        link.properties = {symbol("com.microsoft:channel-correlation-id"): self.name,
                           symbol("com.microsoft:api-version"): "2021-04-12"}


def say(**line):
    print(json.dumps(line), flush=True)


def types(values):
    return {str(name): type(value).__name__ for name, value in (values or {}).items()}


def ask(links, correlation, operation, resource=None, body=b""):
    request = Message(body=body, correlation_id=correlation, inferred=True)
    request.annotations = {symbol("operation"): operation}
    if resource:
        request.annotations[symbol("resource")] = resource
    links[0].send(request)
    answer = links[1].receive(PATIENCE)
    say(asked=operation, same=answer.correlation_id == correlation, body=bytes(answer.body).decode(),
        status=answer.annotations["status"], types=types(answer.annotations))


def main():
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(ENV["AZX_CA"])
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
    connection = BlockingConnection(
        "amqps://" + ENV["AZX_ADDRESS"], virtual_host=ENV["AZX_HOST"], ssl_domain=domain, timeout=PATIENCE,
        allowed_mechs="PLAIN", user=ENV["AZX_USER"], password=ENV["AZX_PASSWORD"], max_frame_size=4096)

    telemetry = connection.create_sender(PATH + "/messages/events")
    telemetry.send(Message(body=b"x" * 100_000, inferred=True, id=uuid.UUID(int=7), properties={"n": 1}))
    say(sent=True)

    twin = [make(PATH + "/twin", options=Channel("twin:1")) for make in (connection.create_sender, connection.create_receiver)]
    ask(twin, "get", "GET")
    ask(twin, uuid.uuid4(), "PATCH", "/properties/reported", b'{"firmware":"1.0"}')
    ask(twin, "put", "PUT", "/notifications/twin/properties/desired")
    calls = [make(PATH + "/methods/devicebound", options=Channel("methods:1")) for make in (connection.create_sender, connection.create_receiver)]
    messages = connection.create_receiver(PATH + "/messages/devicebound")
    say(ready=True)

    for verdict in (Delivery.RELEASED, Delivery.ACCEPTED):
        m = messages.receive(PATIENCE)
        messages.settle(verdict)
        say(c2d=bytes(m.body).decode(), id=m.id, deliveries=m.delivery_count, properties=m.properties, types=types(m.annotations))

    change = twin[1].receive(PATIENCE)
    say(desired=json.loads(bytes(change.body)), correlation=change.correlation_id)

    call = calls[1].receive(PATIENCE)
    say(method=call.properties["IoThub-methodname"], type=type(call.correlation_id).__name__)
    calls[0].send(Message(body=b'{"out":2}', inferred=True, correlation_id=call.correlation_id, properties={"IoThub-status": 207}))
    connection.close()
    say(closed=True)


main()
