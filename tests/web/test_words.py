"""Sentences of ours as pages show them."""

import pytest

from app.web.words import marked, web_link


@pytest.mark.parametrize(("words", "expected"), [
    ("See `muster doctor`.", "See <code>muster doctor</code>."),
    ("Send them https://forms.example/a?b=1.", 'Send them <a href="https://forms.example/a?b=1" rel="noopener noreferrer">https://forms.example/a?b=1</a>.'),
    ("<b> & `<i>`", "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"),
    ('x https://e.example/"onclick=1', 'x <a href="https://e.example/" rel="noopener noreferrer">https://e.example/</a>&#34;onclick=1'),
    ("javascript:alert(1)", "javascript:alert(1)"),
    ("", ""),
])  # fmt: skip
def test_commands_are_code_and_addresses_links(words: str, expected: str):
    assert expected == str(marked(words, has_links=True))


def test_an_address_that_is_only_named_is_no_link():
    assert "Register https://muster.example/back" == str(marked("Register https://muster.example/back"))


@pytest.mark.parametrize(("url", "expected"), [
    ("https://a.example", "https://a.example"), ("http://a.example", "http://a.example"),
    ("javascript:alert(1)", ""), ("data:text/html,x", ""), ("//a.example", ""), ("", ""),
])  # fmt: skip
def test_only_addresses_of_the_web_are_links(url: str, expected: str):
    assert expected == web_link(url)
