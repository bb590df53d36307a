"""A component as a new user would write it: greets one address, then answers every message with its own text.

usage: echo.py DOMAIN SECRET HOST PORT GREETED
"""

import sys

import slixmpp


class Echo(slixmpp.ComponentXMPP):
    def __init__(self, domain, secret, host, port, greeted):
        super().__init__(domain, secret, host, port)
        self.greeted = greeted
        self.add_event_handler("session_start", self.greet)
        self.add_event_handler("message", self.answer)

    def greet(self, _event):
        self.send_message(mto=self.greeted, mbody="Good morrow", mfrom=f"echo@{self.boundjid.bare}")

    def answer(self, message):
        if message["type"] in ("chat", "normal"):
            message.reply(message["body"]).send()


domain, secret, host, port, greeted = sys.argv[1:]
echo = Echo(domain, secret, host, int(port), greeted)
echo.connect()
echo.loop.run_forever()
