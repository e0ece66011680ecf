"""A stand-in for raggen-embed: real FAISS, the real interface, and vectors made of hashes."""
import hashlib
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import faiss
import numpy

RELEASE = json.load(open("/app/release.json"))
INDEX = os.environ.get("FAISS_INDEX_PATH", "/app/data/faiss/index.faiss")
DIMENSION = int(os.environ.get("VECTOR_DIM", "384"))
MODEL = os.environ.get("MODEL_NAME", "all-MiniLM-L6-v2")
lock = Lock()

if RELEASE.get("behaviour") == "exits":
    sys.exit("ModuleNotFoundError: No module named 'sentence_transformers'")


def save(index):
    faiss.write_index(index, INDEX + ".new")
    os.rename(INDEX + ".new", INDEX)
    with open(INDEX + ".json", "w") as side:
        json.dump({"model": MODEL, "dimension": DIMENSION}, side)


if os.path.exists(INDEX):
    # As the real one does: whatever lies there is loaded, of whatever dimension.
    index = faiss.read_index(INDEX)
else:
    os.makedirs(os.path.dirname(INDEX), exist_ok=True)
    index = faiss.IndexFlatL2(DIMENSION)
    save(index)


def vector_of(text):
    numbers = hashlib.shake_256(text.encode()).digest(DIMENSION * 2)
    found = numpy.frombuffer(numbers, dtype=numpy.uint16).astype("float32") / 65535 - 0.5
    return (found / numpy.linalg.norm(found)).reshape(1, -1)


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value, kind="application/json"):
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"status": "ok", "version": RELEASE["version"]})
        if self.path == "/docs":
            return self.answer(200, "<html><title>RAGGEN Embed</title></html>", "text/html")
        return self.answer(404, {"detail": "Not Found"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            if self.path == "/api/v1/embed":
                vector = vector_of(asked["text"])
                with lock:
                    index.add(vector)
                    vector_id = index.ntotal - 1
                    save(index)
                answer = {"embedding": vector[0].tolist(), "text": asked["text"], "vector_id": vector_id}
                return self.answer(200, answer)
            if self.path == "/api/v1/search":
                scores, ids = index.search(vector_of(asked["text"]), asked.get("k", 5))
                results = [
                    {"score": float(score), "vector_id": int(one)}
                    for score, one in zip(scores[0], ids[0])
                    if one >= 0
                ]
                return self.answer(200, {"query": asked["text"], "results": results})
            return self.answer(404, {"detail": "Not Found"})
        except Exception as error:  # as FastAPI answers
            return self.answer(500, {"detail": str(error) or type(error).__name__})

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8001"))), Handler)
server.serve_forever()
