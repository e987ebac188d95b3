(function () {
  'use strict';
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  /* Light or dark: as the system has it, until the reader chooses. Paper is always light. */
  function theme() {
    const button = document.getElementById('theme');
    const styles = document.getElementById('dark');
    const system = matchMedia('(prefers-color-scheme: dark)');
    let chosen = null;
    const dark = () => (chosen === null ? system.matches : chosen);
    function show() {
      if (chosen !== null) styles.media = chosen ? 'screen' : 'not all';
      button.textContent = dark() ? 'Light' : 'Dark';
      button.setAttribute('aria-label', 'Switch to ' + (dark() ? 'light' : 'dark') + ' colours');
    }
    button.hidden = false;
    button.addEventListener('click', () => { chosen = !dark(); show(); });
    system.addEventListener('change', show);
    show();
  }

  /* A cell's value: its exact one where it has one, a number where the text is one, else the text. */
  function value(cell) {
    const text = cell.dataset.v || cell.textContent.trim();
    const number = Number(text.replace(/,/g, '').replace(/ %$/, ''));
    return text === '' ? null : Number.isNaN(number) ? text : number;
  }

  const texts = new Intl.Collator('en', { numeric: true });

  /* Numbers before texts; what is empty comes last in either direction. */
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    if (typeof a === 'number') return sign * (a - b);
    return sign * texts.compare(a, b);
  }

  /* At first only so many rows are laid out, and read here: all of ten thousand take seconds. */
  const PAGE = 500;

  function table(element) {
    const body = element.tBodies[0];
    const heads = Array.from(element.tHead.rows[0].cells);
    const field = document.getElementById('search');
    const found = document.getElementById('found');
    const more = document.getElementById('more');
    const only = document.getElementById('only');
    const count = (n) => n.toLocaleString('en');
    const entries = Array.from(element.querySelectorAll('tbody > tr'), (row) => ({ row, text: null }));
    let order = entries;
    let limit = PAGE;

    function text(entry) {
      if (entry.text === null)
        entry.text = Array.from(entry.row.cells).slice(0, 4).map((c) => c.textContent).join(' ').toLowerCase();
      return entry.text;
    }

    function show() {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = (e) => !(only && only.checked) || e.row.classList.contains('differs');
      const hits = order.filter((e) => wanted(e) && words.every((word) => text(e).includes(word)));
      body.replaceChildren(...hits.slice(0, limit).map((e) => e.row));
      found.textContent = count(hits.length) + ' of ' + count(entries.length);
      found.parentElement.classList.toggle('some', hits.length < entries.length);
      more.hidden = hits.length <= limit;
      more.textContent = 'Show the other ' + count(hits.length - limit);
    }

    function sort(column) {
      const head = heads[column];
      const now = head.getAttribute('aria-sort');
      const first = head.classList.contains('n') ? 'descending' : 'ascending';
      const next = !now ? first : now === 'ascending' ? 'descending' : 'ascending';
      const sign = next === 'ascending' ? 1 : -1;
      const keyed = order.map((e) => ({ e, key: value(e.row.cells[column]) }));
      keyed.sort((a, b) => compare(a.key, b.key, sign));
      order = keyed.map((k) => k.e);
      heads.forEach((h) => h.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', next);
      show();
    }

    /* A link leads to a row that may not be shown just now. */
    function follow() {
      const entry = entries.find((e) => e.row.id && '#' + e.row.id === location.hash);
      if (!entry || entry.row.isConnected) return;
      field.value = '';
      if (only) only.checked = false;
      limit = Math.max(limit, order.indexOf(entry) + 1);
      show();
      location.replace(location.hash);
    }

    heads.forEach((head, column) => {
      if (head.classList.contains('plain')) return;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => sort(column));
    });
    function all() {
      limit = entries.length;
      show();
    }
    for (const input of [field, only])
      if (input) input.addEventListener('input', () => { limit = PAGE; show(); });
    more.addEventListener('click', all);
    addEventListener('beforeprint', all);
    addEventListener('hashchange', follow);
    field.parentElement.hidden = false;
    element.querySelectorAll('.later').forEach((later) => later.remove());
    show();
    follow();
  }

  /* A picture is one stop for the Tab key; arrows lead through its parts, and what a part is stands below. */
  function explorable(figure) {
    const about = figure.querySelector('.about');
    const parts = all('.treemap > a, .treemap > g, .strip > path', figure);
    const text = (part) => part.querySelector('title').textContent;
    let at = 0;
    function reach(index) {
      if (parts[at]) parts[at].setAttribute('tabindex', '-1');
      at = index;
      parts[at].setAttribute('tabindex', '0');
      if (parts[at].localName === 'a') return;
      parts[at].setAttribute('role', 'img');
      parts[at].setAttribute('aria-label', text(parts[at]));
    }
    function tell(event) {
      const part = event.target.closest('.treemap > *, .strip > path');
      if (part) about.textContent = text(part);
    }
    figure.addEventListener('pointerover', tell);
    figure.addEventListener('focusin', tell);
    figure.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -parts.length, End: parts.length };
      if (!(event.key in step) || parts.length === 0) return;
      event.preventDefault();
      reach(Math.max(0, Math.min(parts.length - 1, at + step[event.key])));
      parts[at].focus();
    });
    parts.forEach((part) => { if (part.localName === 'a') part.setAttribute('tabindex', '-1'); });
    if (parts.length > 0) reach(0);
  }

  theme();
  all('table.sortable').forEach(table);
  all('figure.explore').forEach(explorable);
})();
