"""A person with a browser: follows links, keeps cookies, fills the forms shown.

Nothing is known here of the server's addresses: each form and link is read
from the HTML that came. What runs in the browser tells itself apart by the
`Sec-Fetch` headers that real ones send when a person navigates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Dict, List, Mapping, Optional, Tuple
from urllib.parse import urljoin, urlsplit

import httpx

from . import canary, leaks

_BROWSER_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-User": "?1",
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}

# A login and a consent take about eight steps; more than this is a loop.
_MOST_STEPS = 20


@dataclass
class Form:
    """A form, with the values it starts with."""

    action: str
    method: str
    fields: Dict[str, str] = field(default_factory=dict)
    blanks: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What the browser shows at the end."""

    url: str
    status: int
    headers: Mapping[str, str]
    html: str

    @property
    def text(self) -> str:
        """What a reader sees, without the markup."""
        return " ".join(_Reader.read(self.html).text)


class _Reader(HTMLParser):
    """Finds the forms, links and words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: List[Form] = []
        self.links: List[Tuple[str, str]] = []
        self.text: List[str] = []
        self._href: Optional[str] = None
        self._hidden = 0

    @classmethod
    def read(cls, html: str) -> _Reader:
        reader = cls()
        reader.feed(html)
        reader.close()
        return reader

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
        elif tag == "input" and self.forms and "name" in values:
            self._input(self.forms[-1], values)
        elif tag == "a":
            self._href = values.get("href")
        elif tag in ("style", "script"):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = None
        elif tag in ("style", "script"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        words = data.strip()
        if not words or self._hidden:
            return
        self.text.append(words)
        if self._href is not None:
            self.links.append((words, self._href))

    @staticmethod
    def _input(form: Form, values: Dict[str, str]) -> None:
        form.fields[values["name"]] = values.get("value", "")
        if values.get("type", "text") in ("text", "email", "password") and not values.get("value"):
            form.blanks.append(values["name"])


class Person:
    """Someone with an account at the provider, and a browser of their own."""

    def __init__(self, name: str = "ada") -> None:
        self.name = name
        self._browser = httpx.Client(headers=_BROWSER_HEADERS, trust_env=False, timeout=30.0)

    def log_in(self, url: str) -> Page:
        """Logs in, allows what is asked, and reads the page it all ends on."""
        return self.open(self.allow(url))

    def refuse(self, url: str) -> Page:
        """Logs in, cancels at the consent form, and reads the last page."""
        return self.open(self.decline(url))

    def allow(self, url: str) -> str:
        """Logs in and allows, up to the redirect back, which is not followed."""
        return self._authorize(url, consents=True)

    def decline(self, url: str) -> str:
        """Logs in and cancels, up to the redirect back, which is not followed."""
        return self._authorize(url, consents=False)

    def allow_agent(self, url: str) -> Page:
        """Lets an agent use the account that the consent page offers first."""
        response = self._browser.get(url)
        form = _Reader.read(response.text).forms[0]
        button = re.search(r'<button class="primary" name="(\w+)" value="(\w+)"', response.text)
        assert button, response.text
        answer = self._browser.post(
            urljoin(url, form.action),
            data={**form.fields, button[1]: button[2]},
            headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        )
        assert answer.has_redirect_location, answer.text
        return self.open(urljoin(url, answer.headers["location"]))

    def open(self, url: str, headers: Optional[Mapping[str, str]] = None) -> Page:
        """Goes to an address and where it leads."""
        for _ in range(_MOST_STEPS):
            response = self._browser.get(url, headers=dict(headers or {}))
            leaks.note(f"the page at {_without_query(url)}", response.content)
            if not response.has_redirect_location:
                return Page(url, response.status_code, response.headers, response.text)
            url = urljoin(url, response.headers["location"])
        raise AssertionError(f"redirected without end, last to {_without_query(url)}")

    def _authorize(self, url: str, consents: bool) -> str:
        server = urlsplit(url).netloc
        canary.learn_state(url)
        response = self._browser.get(url)
        for _ in range(_MOST_STEPS):
            here = str(response.url)
            if response.has_redirect_location:
                target = urljoin(here, response.headers["location"])
                if urlsplit(target).netloc != server:
                    return target
                response = self._browser.get(target)
            elif response.status_code == 200:
                response = self._answer(here, _Reader.read(response.text), consents)
            else:
                raise AssertionError(
                    f"{_without_query(here)}: {response.status_code} {response.text[-2000:]}"
                )
        raise AssertionError("the provider asked without end")

    def _answer(self, here: str, page: _Reader, consents: bool) -> httpx.Response:
        assert page.forms, f"no form on {_without_query(here)}: {page.text}"
        form = page.forms[0]
        if not form.blanks and not consents:
            cancel = next(href for words, href in page.links if "cancel" in words.lower())
            return self._browser.get(urljoin(here, cancel))
        filled = {**form.fields, **{blank: self.name for blank in form.blanks}}
        return self._browser.request(form.method, urljoin(here, form.action), data=filled)


def _without_query(url: str) -> str:
    return url.split("?")[0]
