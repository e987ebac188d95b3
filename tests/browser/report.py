# What a reader does with a page of `ingot report`, done by a browser; each check is a function of that name.
#
#   report.py CHROMIUM CHECK PAGE [JSON...]
import base64
import json
import os
import re
import sys

from browser import Browser

ROWS = "Array.from(document.querySelectorAll('.sortable tbody tr'))"
SHOWN = ROWS + ".filter(r => r.offsetParent !== null)"
ENTER, SPACE, RIGHT = ("Enter", 13, "\r"), (" ", 32, " "), ("ArrowRight", 39)


def column(browser, number, rows=ROWS):
    return browser.value("%s.map(r => r.cells[%d].dataset.v || r.cells[%d].textContent)" % (rows, number, number))


def number(text):
    return float(text.replace(",", "")) if text else None


def head(title):
    """The expression for a column's head."""
    return "Array.from(document.querySelectorAll('.sortable thead th')).find(h => h.textContent === %s)" % json.dumps(title)


def fits(browser):
    """A phone, a window, and a page of A4 on its side, from which nothing can be scrolled into sight."""
    for width in 360, 390, 1280, 1440:
        browser.emulate(width)
        assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "wider than a window of %d" % width
    browser.emulate(1032, media="print")
    assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "wider than paper"
    browser.emulate()


def printing(browser):
    """On paper, whatever the theme: all that is to be read, nothing to be worked, and no title alone at the foot of a page."""
    browser.emulate(media="print", dark=True)
    search = """(text => { const s = document.getElementById('search'); s.value = text; s.dispatchEvent(new Event('input'));
        const e = document.getElementById('found'); return e.getClientRects().length > 0 && e.textContent })(%s)"""
    assert " of " in browser.value(search % json.dumps("ln_1.bias"))
    assert browser.value(search % "''") is False
    assert browser.value("""Array.from(document.querySelectorAll('nav, .skip, .find, #theme, #more, .about, .screen, details:not([open])'))
        .filter(e => e.getClientRects().length > 0).map(e => e.outerHTML.slice(0, 99))""") == []
    assert browser.value("""Array.from(document.querySelectorAll('.wide, pre, .long'))
        .filter(e => getComputedStyle(e).overflow !== 'visible').map(e => e.outerHTML.slice(0, 99))""") == []
    # Links make a PDF say on which page their ends are: each title's, and that of the first line or picture below it.
    pairs = browser.value("""(() => { const pairs = [], line = 'p, li, dt, tr, pre, svg';
        const mark = e => { const a = document.createElement('a'); e.id ||= 'mark' + document.links.length; a.href = '#' + e.id;
                            document.body.append(a); return e.id };
        for (const title of document.querySelectorAll('h1, h2, h3, .note, .times, figcaption, details[open] summary')) {
            const next = title.nextElementSibling, below = !next || next.matches(line) ? next : next.querySelector(line);
            if (below) pairs.push([mark(title), mark(below)]) }
        return pairs })()""")
    browser.emulate(media="", dark=True)
    for width, height in (8.27, 11.69), (8.5, 11):
        pdf = base64.b64decode(browser.call("Page.printToPDF", paperWidth=width, paperHeight=height, preferCSSPageSize=True)["data"])
        page = {name.decode(): n for name, n in re.findall(rb"/([\w-]+) \[(\d+) 0 R /XYZ", pdf)}
        alone = [title for title, below in pairs if page[title] != page[below]]
        assert alone == [], browser.value("%s.map(id => document.getElementById(id).textContent)" % alone)
    browser.emulate()


def strips(browser, sizes):
    """The regions of each file's map are all of its bytes, in order and without a gap."""
    maps = browser.value("""Array.from(document.querySelectorAll('.strip'), s => Array.from(s.children, p =>
        [Number(p.dataset.offset), Number(p.dataset.bytes)]))""")
    assert len(maps) == len(sizes)
    for regions, size in zip(maps, sizes):
        at = 0
        for offset, n in regions:
            assert offset == at
            at += n
        assert at == size


def sorting(browser):
    """By the keyboard: numbers as numbers, the largest first; empty cells last; the head says how."""
    name = column(browser, 0)
    browser.value(head("parameters") + ".querySelector('button').focus()")
    for want, sign in ("descending", -1), ("ascending", 1):
        browser.key(*ENTER)
        assert browser.value(head("parameters") + ".getAttribute('aria-sort')") == want
        assert browser.value("document.querySelectorAll('[aria-sort]').length") == 1
        values = [number(text) for text in column(browser, 3)]
        full = [v for v in values if v is not None]
        assert full == sorted(full, key=lambda v: sign * v) and len(set(full)) > 3
        assert None not in values[:len(full)]
    browser.value(head("bytes") + ".querySelector('button').click()")
    values = [int(text) for text in column(browser, 4) if text]
    assert values == sorted(values, reverse=True)
    browser.value(head("name") + ".querySelector('button').click()")
    assert sorted(column(browser, 0)) == sorted(name) and column(browser, 0) != name
    assert browser.value("document.activeElement.localName") == "button"


def searching(browser, want):
    """`want`: how many names have the letters that are typed."""
    browser.click("#search")
    browser.until("document.activeElement.id === 'search'")
    for text, n in want.items():
        browser.value("document.getElementById('search').value = ''")
        browser.type(text)
        shown = column(browser, 0, SHOWN)
        assert len(shown) == n and all(text in name for name in shown), (text, shown)
        assert browser.value("document.getElementById('found').textContent").startswith("%d of " % n)


def theme(browser):
    ground = "getComputedStyle(document.body).backgroundColor"
    for dark in False, True:
        browser.emulate(dark=dark)
        before = browser.value(ground)
        browser.click("#theme")
        after = browser.value(ground)
        assert before != after
        browser.click("#theme")
        assert browser.value(ground) == before
    browser.emulate(media="print", dark=True)
    assert browser.value(ground) == "rgb(255, 255, 255)"
    browser.emulate()


def contrast(browser):
    """At least 4.5 between every text and its ground: WCAG 2.1, 1.4.3."""
    worst = """(() => {
        const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => (x /= 255) <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                             return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
        const seen = c => !/^rgba.*, 0\\)$/.test(c) && c !== 'transparent' && c !== 'none';
        const ground = e => { for (; e; e = e.parentElement) {
            const box = e.localName === 'svg' && e.querySelector(':scope > rect'), c = getComputedStyle(box || e);
            if (box && seen(c.fill)) return c.fill;
            if (seen(c.backgroundColor)) return c.backgroundColor } return 'rgb(255, 255, 255)' };
        let worst = [99, ''];
        for (const e of document.querySelectorAll('body *')) {
            if (!Array.from(e.childNodes).some(n => n.nodeType === 3 && n.data.trim())) continue;
            const s = getComputedStyle(e);
            if (e.closest('.skip, script, title, .unseen') || s.display === 'none') continue;
            const a = light(e.localName === 'text' ? s.fill : s.color), b = light(ground(e));
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 200)];
        }
        return worst })()"""
    for dark in False, True:
        browser.emulate(dark=dark)
        ratio, where = browser.value(worst)
        assert ratio >= 4.5, (dark, ratio, where)
    browser.emulate()


def treemap(browser, n=1):
    """One stop for Tab, arrows for its parts, Enter leads to the row, also one that is not shown."""
    assert browser.value("document.querySelectorAll('.treemap').length") == n
    assert browser.value("document.querySelectorAll('.treemap [tabindex=\"0\"]').length") == n
    browser.value("document.querySelector('.treemap [tabindex=\"0\"]').focus()")
    about = "document.querySelector('.treemap ~ .about').textContent"
    first = browser.value(about)
    browser.key(*RIGHT)
    second = browser.value(about)
    assert first and second and first != second
    browser.value("(() => { const s = document.getElementById('search'); s.value = 'nothing has this name';"
                  " s.dispatchEvent(new Event('input')) })()")
    browser.key(*ENTER)
    browser.until("document.querySelector('tr:target')?.offsetParent")
    assert second.startswith(browser.value("document.querySelector('tr:target th').textContent"))


def areas(browser):
    """A rectangle is as large as its share, to a percent of the whole: titles of groups take some."""
    cells = browser.value("""Array.from(document.querySelectorAll('.treemap > a'), a => {
        const s = a.querySelector('svg'), n = x => parseFloat(s.getAttribute(x));
        return [a.querySelector('title').textContent, n('x'), n('y'), n('width'), n('height')] })""")
    assert cells
    for title, x, y, w, h in cells:
        share = float(title.rsplit(" ", 2)[1])
        assert abs(w * h / 100 - share) < 1, (title, w * h / 100)
        assert x >= 0 and y >= 0 and x + w < 100.01 and y + h < 100.01


def reading(browser, page, ls, params):
    """Everything that a page of one file has."""
    ls, params = json.load(open(ls)), json.load(open(params))
    browser.emulate(dark=True)
    browser.open(page)
    total = "Number(document.querySelector('#%s').value)"
    tensors = [t for t in ls["tensors"] if "alias_of" not in t]
    assert browser.value(total % "parameters-total") == params["parameters"]
    assert browser.value(total % "elements-sum") == sum(t["parameters"] for t in tensors)
    assert browser.value(total % "bytes-sum") == browser.value(total % "bytes-total") == sum(t["bytes"] for t in tensors)
    assert browser.value(total % "tensors-total") == len(tensors)
    assert column(browser, 0) == [t["name"] + (" = " + t["alias_of"] if "alias_of" in t else "") for t in ls["tensors"]]
    assert sum(number(text) or 0 for text in column(browser, 3)) == sum(t["parameters"] for t in tensors)
    theme(browser)
    contrast(browser)
    areas(browser)
    treemap(browser)
    sorting(browser)
    searching(browser, {"ln_1.weight": sum("ln_1.weight" in t["name"] for t in ls["tensors"]), "x y z": 0})
    fits(browser)
    printing(browser)


def comparison_sorts(browser, diff):
    """Largest first by figures of the comparison and by A's of two, by the keyboard."""
    titles = [h for h in browser.value("Array.from(document.querySelectorAll('.sortable thead th'), h => h.textContent)")]
    rms = {t["name"]: t["rms"] for t in diff["tensors"] if t.get("rms")}
    assert ("RMS rel" in titles) == ("max abs" in titles) == bool(rms)
    for title in ["RMS rel", "max abs", "std"][0 if rms else 2:]:
        browser.value(head(title) + ".querySelector('button').focus()")
        browser.key(*ENTER)
        assert browser.value(head(title) + ".getAttribute('aria-sort')") == "descending"
        texts = column(browser, titles.index(title))
        values = [number(text) for text in texts if text]
        assert values == sorted(values, reverse=True) and "" not in texts[:len(values)]
        if title == "RMS rel":
            assert column(browser, 0)[:len(values)] != [] and abs(values[0] / max(rms.values()) - 1) < 0.01


def only_what_differs(browser, differing, others):
    """A box that the space bar ticks."""
    browser.value("document.getElementById('only').focus()")
    browser.key(*SPACE)
    browser.until("document.getElementById('only').checked")
    assert sorted(column(browser, 0, SHOWN)) == sorted(differing)
    assert browser.value("document.getElementById('found').textContent") == "%d of %d" % (len(differing), len(differing + others))
    searching(browser, {name: sum(name in d for d in differing) for name in (differing + others)[:1] + others[:1]})
    browser.value("document.getElementById('search').value = ''")
    browser.click("#only")
    assert len(column(browser, 0, SHOWN)) == len(differing + others)


def comparing(browser, page, report):
    """Everything that a page of two files has, as `report --json` says it."""
    report = json.load(open(report))
    diff, files = report["diff"], report["files"]
    browser.open(page)
    assert browser.value("document.querySelector('#verdict').className") == ("same" if diff["equal"] else "other")
    differing, others = ([t["name"] for t in diff["tensors"] if bool(t["difference"]) == wanted] for wanted in (True, False))
    assert browser.value(ROWS + ".filter(r => r.className === 'differs').map(r => r.cells[0].textContent)") == differing
    assert column(browser, 0) == differing + others and len(differing + others) == diff["n_both"] + diff["n_only_a"] + diff["n_only_b"]
    totals = [f["params"]["parameters"] for f in files]
    field = "Array.from(document.querySelectorAll('.cards dt')).filter(e => e.textContent === %s).map(e => e.nextSibling.textContent)"
    assert [number(text) for text in browser.value(field % json.dumps("parameters"))] == totals
    assert [number(text) for text in browser.value("Array.from(document.querySelectorAll('#parameters tfoot td'), e => e.textContent)")] == totals
    strips(browser, [f["bytes"] for file in files for f in file["map"]["files"]])
    assert browser.value("document.querySelectorAll('#tensors .spark').length") == len(differing + others)
    assert browser.value("document.querySelectorAll('.treemap a:has(.corner)').length > 0") == bool(differing)
    theme(browser)
    contrast(browser)
    areas(browser)
    treemap(browser, 2)
    only_what_differs(browser, differing, others)
    comparison_sorts(browser, diff)
    fits(browser)
    printing(browser)


def hostile(browser, page, ls):
    """Names are text: all of them stand in the page as ls prints them, and there is no element of their making."""
    ls = json.load(open(ls))
    browser.open(page)
    shown = browser.value(ROWS + ".map(r => r.cells[0].textContent)")
    assert len(shown) == len(ls["tensors"])
    assert any("<script>" in name for name in shown) and any("onerror" in name for name in shown)
    assert browser.value("document.querySelectorAll('img, iframe, object, link').length") == 0
    assert browser.value("document.scripts.length") == 1 and browser.value("document.styleSheets.length") == 2
    assert browser.value("Array.from(document.querySelectorAll('*')).every(e => e.getAttributeNames().every(n => !n.startsWith('on')))")
    assert browser.value("document.body.textContent.match(/[\\u0000-\\u0008\\u001b\\u202e\\u2066\\ufffd]/)") is None
    assert browser.value("window.was_here") is None
    fits(browser)


def many(browser, page, ls):
    """More rows than are laid out at once: search, sorting and the button reach all; without the script all are there."""
    names = [t["name"] for t in json.load(open(ls))["tensors"]]
    assert len(names) > 500 + 12
    browser.open(page + "#t%d" % (len(names) - 1))
    browser.until("document.querySelector('tr:target')?.offsetParent")
    browser.open(page)
    assert column(browser, 0, SHOWN) == names[:500]
    browser.value(head("name") + ".querySelector('button').click()")
    browser.value(head("name") + ".querySelector('button').click()")
    assert column(browser, 0, SHOWN)[0] == "wte.weight"
    for name in names[0], names[505], names[-1]:
        searching(browser, {name: 1})
    browser.value("document.getElementById('search').value = ''")
    browser.type(".")
    browser.click("#more")
    assert sorted(column(browser, 0, SHOWN)) == sorted(n for n in names if "." in n)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    assert column(browser, 0, SHOWN) == names
    assert browser.value("document.querySelector('#more').offsetParent === null")


def main(program, check, page, *rest):
    browser = Browser(program)
    page = os.path.abspath(page)
    try:
        globals()[check](browser, page, *rest)
        assert browser.complaints == [], browser.complaints
        assert [u for u in browser.requests if u.split("#")[0] != "file://" + page] == [], browser.requests
        assert browser.requests
    finally:
        browser.close()


main(*sys.argv[1:])
