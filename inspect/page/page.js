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

  /* Numbers before texts; what is empty comes last in either direction. */
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    if (typeof a === 'number') return sign * (a - b);
    return sign * a.localeCompare(b, 'en', { numeric: true });
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const heads = Array.from(table.tHead.rows[0].cells);
    function sort(column) {
      const head = heads[column];
      const now = head.getAttribute('aria-sort');
      const first = head.classList.contains('n') ? 'descending' : 'ascending';
      const next = !now ? first : now === 'ascending' ? 'descending' : 'ascending';
      const sign = next === 'ascending' ? 1 : -1;
      const rows = Array.from(body.rows, (row) => ({ row, key: value(row.cells[column]) }));
      rows.sort((a, b) => compare(a.key, b.key, sign));
      heads.forEach((h) => h.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', next);
      body.replaceChildren(...rows.map((r) => r.row));
    }
    heads.forEach((head, column) => {
      if (head.classList.contains('plain')) return;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => sort(column));
    });
  }

  /* Rows that have every word of the search field in their first four cells. */
  function searchable(table) {
    const field = document.getElementById('search');
    const found = document.getElementById('found');
    const rows = Array.from(table.tBodies[0].rows);
    const texts = rows.map((row) => all('th, td', row).slice(0, 4).map((c) => c.textContent).join(' ').toLowerCase());
    const count = (n) => n.toLocaleString('en');
    function search() {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, i) => {
        const hit = words.every((word) => texts[i].includes(word));
        if (row.hidden === hit) row.hidden = !hit;
        shown += hit;
      });
      found.textContent = count(shown) + ' of ' + count(rows.length);
    }
    field.addEventListener('input', search);
    field.parentElement.hidden = false;
    search();

    /* A link from the treemap leads to a row that may not be shown just now. */
    function follow() {
      const row = document.getElementById(location.hash.slice(1));
      if (row && row.hidden) {
        field.value = '';
        search();
        row.scrollIntoView({ block: 'center' });
      }
    }
    addEventListener('hashchange', follow);
  }

  /* A picture is one stop for the Tab key; arrows lead through its parts, and what a part is stands below. */
  function explorable(figure) {
    const about = figure.querySelector('.about');
    const parts = all('.treemap > a, .strip > path', figure);
    const text = (part) => part.querySelector('title').textContent;
    let at = 0;
    function go(to) {
      parts[at].setAttribute('tabindex', '-1');
      at = Math.max(0, Math.min(parts.length - 1, to));
      parts[at].setAttribute('tabindex', '0');
      parts[at].focus();
    }
    parts.forEach((part, i) => {
      part.setAttribute('tabindex', i === 0 ? '0' : '-1');
      if (part.localName === 'path') {
        part.setAttribute('role', 'img');
        part.setAttribute('aria-label', text(part));
      }
      part.addEventListener('focus', () => { at = i; about.textContent = text(part); });
      part.addEventListener('pointerenter', () => { about.textContent = text(part); });
    });
    figure.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -parts.length, End: parts.length };
      if (!(event.key in step) || parts.length === 0) return;
      event.preventDefault();
      go(at + step[event.key]);
    });
  }

  theme();
  all('table.sortable').forEach((table) => { sortable(table); searchable(table); });
  all('figure.explore').forEach(explorable);
})();
