#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a Python program asks renewd for tokens, calls a provider and hands events in. Standard library alone.

renewd.py token JOB ID [SECONDS] | get JOB ID URL | forward JOB ID PATH | events JOB ID FILE

RENEWD_SOCKET, or RENEWD_URL (http://127.0.0.1:8642) and RENEWD_SECRET_FILE. Exit status: 0; 1 failed; 3 only a
person can help; 75 try again later.
"""
import http.client
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

TRIES, LONGEST_WAIT = 4, 60


class PersonNeeded(Exception):
    """The account's owner has to do something; url says where, if the job names a page."""

    def __init__(self, message, url):
        super().__init__(message)
        self.url = url


class Later(Exception):
    """renewd or the provider wants it later than one waits."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Renewd:
    def __init__(self, environ=os.environ):
        self.socket = environ.get("RENEWD_SOCKET")
        self.url = urllib.parse.urlsplit(environ.get("RENEWD_URL", "http://127.0.0.1:8642"))
        self.headers = {}
        if not self.socket:
            with open(environ["RENEWD_SECRET_FILE"], encoding="ascii") as file:
                self.headers["Authorization"] = "Bearer " + file.read().strip()

    def _connection(self):
        if self.socket:
            return UnixConnection(self.socket)
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        return kind(self.url.netloc, timeout=60)

    def _ask(self, method, path, body=None):
        headers = dict(self.headers)
        if body is not None:
            body = body.encode()  # else http.client sends Latin-1
            headers["Content-Type"] = "application/json"
        for attempt in range(TRIES):
            connection = self._connection()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status not in (429, 503):
                return answer, text
            wait = answer.headers.get("Retry-After", "")  # a provider may have said none, or a date
            wait = int(wait) if wait.isdecimal() else 1
            if attempt + 1 < TRIES and wait <= LONGEST_WAIT:
                time.sleep(wait)
        raise Later(text.decode())

    def _json(self, wanted, method, path, body=None):
        answer, text = self._ask(method, path, body)
        said = json.loads(text)
        if answer.status == 409:
            raise PersonNeeded(said["error"]["message"], said.get("reconnect_url"))
        if answer.status != wanted:
            raise RuntimeError(f"renewd answered {answer.status}: {said['error']['message']}")
        return said

    @staticmethod
    def _record(job, record):
        return f"/v1/jobs/{urllib.parse.quote(job, safe='')}/records/{urllib.parse.quote(record, safe='')}"

    def token(self, job, record, min_valid=300):
        return self._json(200, "GET", f"{self._record(job, record)}/token?min_valid={min_valid}")

    def refused(self, job, record, token, status, body):
        """The provider refused that token: the verdict, with a newer token if it was one of the token."""
        said = {"generation": token["generation"], "status": status, "body": body}
        return self._json(200, "POST", f"{self._record(job, record)}/refused", json.dumps(said))

    def get(self, job, record, url):
        """The provider's answer, asked once more when it refused the token."""
        token = self.token(job, record)
        status, body = provider(url, token)
        if status == 401:
            verdict = self.refused(job, record, token, status, body.decode(errors="replace"))
            if verdict["token_refused"]:
                status, body = provider(url, verdict)
        return status, body

    def forward(self, job, record, path, method="GET", body=None):
        answer, text = self._ask(method, f"{self._record(job, record)}/forward/{path}", body)
        if answer.status == 409 and answer.headers.get("Renewd-Error"):
            said = json.loads(text)
            raise PersonNeeded(said["error"]["message"], said.get("reconnect_url"))
        return answer.status, text

    def events(self, job, record, events):
        return self._json(202, "POST", f"{self._record(job, record)}/events", events)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_):
        return None


def provider(url, token):
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token["access_token"]})
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def main(arguments):
    if len(arguments) < 3 or arguments[0] not in ("token", "get", "forward", "events"):
        sys.exit(__doc__)
    renewd = Renewd()
    command, job, record, *rest = arguments
    try:
        if command == "token":
            print(renewd.token(job, record, *rest)["access_token"])
        elif command == "events":
            with open(rest[0], encoding="utf-8") as file:
                print(json.dumps(renewd.events(job, record, file.read())))
        else:
            status, body = (renewd.get if command == "get" else renewd.forward)(job, record, *rest)
            sys.stdout.buffer.write(body)
            return 0 if 200 <= status < 300 else 1
        return 0
    except PersonNeeded as why:
        print(f"renewd cannot refresh this record by itself: {why}" + (f"; connect the account again at {why.url}" if why.url else ""), file=sys.stderr)
        return 3
    except Later as why:
        print(f"later: {why}", file=sys.stderr)
        return 75
    except RuntimeError as why:
        print(why, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
