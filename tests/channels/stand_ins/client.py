"""A client that sends rendered requests to a stand-in."""

import http.client
from urllib.parse import urlsplit

from ingest.channels.base import Answer, HttpRequest, OutboundRequest


def send(request: OutboundRequest) -> Answer:
    """Send a rendered request, and return the answer."""
    assert isinstance(request, HttpRequest)
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    try:
        connection.request(request.method, url.path, request.body, dict(request.headers))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=response.read())
    finally:
        connection.close()
