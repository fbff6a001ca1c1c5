"""The workload: imports its neighbour, so that it only works where Python finds its own folder."""

import http.server

import greeting


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = greeting.TEXT.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Page).serve_forever()
