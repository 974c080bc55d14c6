# A back end made of Apache Qpid Proton, which checks its peer more strictly than the SDKs: puts tokens by
# hand, reads every partition over small frames and a small session window, and prints one JSON line for
# each event of the test.
# Environment: AZX_ADDRESS (host:port), AZX_NAMESPACE (name of the endpoint), AZX_CA (PEM file, empty: those
# of the system), AZX_GROUP, AZX_LINKS (JSON: address of each partition's link to its token), AZX_RUN (the
# property "run" of the test's events), AZX_COUNT, AZX_SINCE (milliseconds since 1970), AZX_FRAME and
# AZX_CAPACITY (bytes: of a frame, of what a session takes ahead), AZX_CREDIT, AZX_SETTLE (settled or unsettled).
import hashlib
import json
import os
import sys

from proton import Delivery, Described, Endpoint, Handler, Link, Message, SSLDomain, symbol, ulong
from proton.reactor import Container

ENV = os.environ
CREDIT = int(ENV["AZX_CREDIT"])
SELECTOR = "amqp.annotation.x-opt-enqueued-time > '%s'" % ENV["AZX_SINCE"]


class Peer(Handler):
    def __init__(self):
        super().__init__()
        self.links = json.loads(ENV["AZX_LINKS"])
        self.asked = list(self.links)
        self.left = int(ENV["AZX_COUNT"])
        self.parts = {}
        self.error = None

    def on_reactor_init(self, event):
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(ENV["AZX_CA"] or "/etc/ssl/certs/ca-certificates.crt")
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        self.connection = event.container.connect(
            "amqps://" + ENV["AZX_ADDRESS"], virtual_host=ENV["AZX_NAMESPACE"], ssl_domain=domain, handler=self,
            sasl_enabled=True, allowed_mechs="ANONYMOUS", reconnect=False, heartbeat=20, max_frame_size=int(ENV["AZX_FRAME"]))

    # The tokens: a link to $cbs and one from it, a request for each partition after the other.

    def on_connection_remote_open(self, event):
        session = self.connection.session()
        session.open()
        self.answers = session.receiver("answers")
        self.answers.source.address, self.answers.target.address = "$cbs", "cbs"
        self.answers.open()
        self.answers.flow(1)
        self.requests = session.sender("requests")
        self.requests.source.address, self.requests.target.address = "cbs", "$cbs"
        self.requests.open()

    def on_link_flow(self, event):
        if event.link == self.requests and self.requests.credit and self.asked:
            self.put_token(self.asked[0])

    def put_token(self, address):
        if self.requests.unsettled:
            return
        resource = "amqps://%s/%s" % (ENV["AZX_NAMESPACE"], address)
        request = Message(self.links[address], id=address, reply_to="cbs", properties={
            "operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": resource})
        self.requests.send(request)

    def on_answer(self, answer):
        status = answer.properties["status-code"]
        if status not in (200, 202) or answer.correlation_id != self.asked[0]:
            self.fail("status %s for %s: %s" % (status, answer.correlation_id, answer.properties["status-description"]))
            return
        del self.asked[0]
        if self.asked:
            self.answers.flow(1)
            self.put_token(self.asked[0])
        else:
            self.read_all()

    # The events: all partitions in one session, with a credit that is given back as events come.

    def read_all(self):
        session = self.connection.session()
        session.incoming_capacity = int(ENV["AZX_CAPACITY"])
        session.open()
        for address in self.links:
            link = session.receiver("read " + address)
            link.source.address, link.target.address = address, "reader"
            link.source.filter.put_dict({
                symbol("apache.org:selector-filter:string"): Described(ulong(0x468C00000004), SELECTOR)})
            link.snd_settle_mode = Link.SND_SETTLED if ENV["AZX_SETTLE"] == "settled" else Link.SND_UNSETTLED
            link.rcv_settle_mode = Link.RCV_FIRST
            link.open()
            link.flow(CREDIT)

    def on_delivery(self, event):
        delivery, link = event.delivery, event.link
        if not link.is_receiver:
            if delivery.settled:
                delivery.settle()
            return
        if not delivery.readable:
            return
        # What is taken before the message is whole makes room in the session's window.
        self.parts.setdefault(link.name, bytearray()).extend(link.recv(delivery.pending) or b"")
        if delivery.partial:
            return
        link.advance()
        message = Message()
        message.decode(bytes(self.parts.pop(link.name)))
        settled = delivery.settled
        if not settled:
            delivery.update(Delivery.ACCEPTED)
        delivery.settle()
        if link == self.answers:
            self.on_answer(message)
            return
        if link.credit <= CREDIT // 2:
            link.flow(CREDIT - link.credit)
        self.on_event(link, message, settled)

    def on_event(self, link, message, settled):
        if self.left == 0 or (message.properties or {}).get("run") != ENV["AZX_RUN"]:
            return
        body = bytes(message.body)
        annotations = message.annotations
        print(json.dumps({
            "partition": link.source.address.rsplit("/", 1)[1],
            "device": annotations["iothub-connection-device-id"],
            "source": annotations["iothub-message-source"],
            "sequence": annotations["x-opt-sequence-number"],
            "offset": annotations["x-opt-offset"],
            "types": {name: type(annotations[name]).__name__ for name in (
                "x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time", "iothub-enqueuedtime")},
            "contentType": message.content_type,
            "settled": settled,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "body": body.decode() if len(body) < 100 else "",
        }), flush=True)
        self.left -= 1
        if self.left == 0:
            self.connection.close()

    # The ends: only a close that was asked for is a good one.

    def on_link_remote_close(self, event):
        self.ended(event.link)

    def on_session_remote_close(self, event):
        self.ended(event.session)

    def on_connection_remote_close(self, event):
        self.ended(event.connection)

    def ended(self, endpoint):
        if not self.connection.state & Endpoint.LOCAL_CLOSED:
            self.fail("the peer ended %s: %s" % (type(endpoint).__name__, endpoint.remote_condition))

    def on_transport_error(self, event):
        self.fail("transport: %s" % event.transport.condition)

    def fail(self, text):
        self.error = self.error or text
        self.connection.close()


peer = Peer()
Container(peer).run()
if peer.error or peer.left:
    sys.exit("%s; %d events are missing" % (peer.error, peer.left))
