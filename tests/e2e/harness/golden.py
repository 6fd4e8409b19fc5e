"""Answers as files: what is new in each run is replaced, and the rest compared.

Each answer is also held to the document that the daemon serves: its schema
must fit, and an answer that succeeds must have every field of it.
"""

from __future__ import annotations

import difflib
import getpass
import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

import httpx
import jsonschema_rs

_FOLDER = Path(__file__).parent.parent / "golden"

# Set, the files are written anew instead of being compared.
REWRITES = "GOLDEN_REWRITE" in os.environ

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_RANDOM_PARAMETER = re.compile(r"\b(state|code_challenge|nonce)=[^&\"]+")


class Recorder:
    """Asks the daemon, and keeps what it answers."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._document = http.get("/openapi.json").json()
        self._new: Dict[str, str] = {f'"{getpass.getuser()}"': '"<login>"'}
        self._answers: Dict[str, str] = {}
        # The operations that have succeeded.
        self.succeeded: Set[str] = set()
        self.faults: List[str] = []

    @property
    def operations(self) -> Set[str]:
        """Every operation of the document."""
        return {
            operation["operationId"]
            for methods in self._document["paths"].values()
            for operation in methods.values()
        }

    def is_new(self, text: str, name: str) -> None:
        """This text is another in each run."""
        self._new[text] = f"<{name}>"

    def ask(self, name: str, method: str, path: str, **more: Any) -> Any:
        """The answer's body, recorded under this name."""
        answer = self._http.request(method, path, **more)
        body: Any = None
        if answer.headers.get("content-type") == "application/json":
            body = answer.json()
        elif answer.content:
            body = "<text>"
        self._check(name, method, path, answer.status_code, body)
        shown = {} if path == "/openapi.json" else {"body": body}
        kept = {
            "request": f"{method} {path}",
            "status": answer.status_code,
            "content_type": answer.headers.get("content-type"),
            **shown,
        }
        text = json.dumps(kept, indent=2, ensure_ascii=False)
        assert name not in self._answers, f"{name} was recorded already"
        self._answers[name] = f"{text}\n"
        return body

    def peek(self, method: str, path: str) -> Any:
        """An answer's body, not recorded."""
        return self._http.request(method, path).json()

    def differences(self) -> List[str]:
        """How the answers differ from the files."""
        files = {path.stem: path for path in _FOLDER.glob("*.json")}
        answers = {name: self._without_news(text) for name, text in self._answers.items()}
        if REWRITES:
            _FOLDER.mkdir(exist_ok=True)
            for path in files.values():
                path.unlink()
            for name, text in answers.items():
                (_FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
            return []
        texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
        return [
            _difference(name, texts.get(name, ""), answers.get(name, ""))
            for name in sorted(texts.keys() | answers.keys())
            if texts.get(name) != answers.get(name)
        ]

    def _without_news(self, text: str) -> str:
        for new, name in self._new.items():
            text = text.replace(new, name)
        text = _RANDOM_PARAMETER.sub(r"\1=<\1>", _TIME.sub("<time>", text))
        uuids: Dict[str, str] = {}
        return _UUID.sub(
            lambda found: uuids.setdefault(found[0], f"<uuid {len(uuids) + 1}>"), text
        )

    def _check(self, name: str, method: str, path: str, status: int, body: Any) -> None:
        operation = self._operation(method, path)
        if operation is None:
            return
        responses = operation["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if response is None:
            self.faults.append(f"{name}: {status} is not documented")
            return
        if status < 400:
            self.succeeded.add(operation["operationId"])
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return
        whole = {"allOf": [schema], "components": self._document["components"]}
        for fault in jsonschema_rs.validator_for(whole).iter_errors(body):
            self.faults.append(f"{name}: {fault.message}")
        if status < 400:
            missing = self._missing(schema, body)
            self.faults += [f"{name}: {field} is missing" for field in missing]

    def _operation(self, method: str, path: str) -> Optional[Dict[str, Any]]:
        """Of two that fit, the one with fewer parameters."""
        plain = path.split("?")[0]
        fitting = [
            (template.count("{"), methods[method.lower()])
            for template, methods in self._document["paths"].items()
            if method.lower() in methods
            and re.fullmatch(re.sub(r"{[a-z_]+}", "[^/]+", template), plain)
        ]
        return min(fitting, key=lambda found: found[0])[1] if fitting else None

    def _missing(self, schema: Dict[str, Any], body: Any) -> List[str]:
        """Fields that a schema names and a body lacks, at any depth."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._missing(self._document["components"]["schemas"][name], body)
        if isinstance(body, list):
            found = [self._missing(schema.get("items", {}), item) for item in body]
            return [field for fields in found for field in fields]
        if not isinstance(body, dict):
            return []
        fields = schema.get("properties", {})
        lacking = [field for field in fields if field not in body]
        for field in fields.keys() & body.keys():
            lacking += self._missing(fields[field], body[field])
        return lacking


def _difference(name: str, golden: str, answered: str) -> str:
    lines = difflib.unified_diff(
        golden.splitlines(True), answered.splitlines(True), f"golden/{name}.json", "answered"
    )
    return "".join(lines)
