// Charts: SVG that is drawn as wide as there is room, so that its words stay
// readable, with the same figures in a table for those who hear the page.
import { el } from '../dom.js'

function svg(name, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}

const table = (title, names, rows) => el('table.heard', {}, el('caption', {}, title),
  el('thead', {}, el('tr', {}, names.map((name) => el('th', { scope: 'col' }, name)))),
  el('tbody', {}, rows.map(([first, ...rest]) => el('tr', {}, el('th', { scope: 'row' }, first), rest.map((cell) => el('td', {}, cell))))))

// figure draws again whenever its width changes.
function figure(draw, height, words, behind) {
  const place = el('div.drawing', { 'aria-hidden': 'true' })
  let width = 0
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width < 80 || Math.abs(contentRect.width - width) < 1) return
    width = contentRect.width
    place.replaceChildren(svg('svg', { width, height, viewBox: `0 0 ${width} ${height}` }, ...draw(width)))
  }).observe(place)
  return el('figure.chart', {}, words && el('figcaption', {}, words), place, behind)
}

// bars are lines of different length: rows [name, value, …]. A bar is as long as
// its value is of the whole, else of the largest. say writes a row's value, full
// says whether it is too much.
export function bars({ title, names, rows, say, whole, full = () => false }) {
  const most = Math.max(...rows.map((row) => row[1]), 1), high = 44
  const draw = (width) => rows.flatMap((row, i) => {
    const [name, value] = row, y = i * high, long = Math.max(value > 0 ? 3 : 0, Math.min(1, value / ((whole?.(row) ?? most) || 1)) * width)
    const letters = Math.floor((width - 9 * say(row).length) / 8.5)
    return [
      svg('text', { x: 0, y: y + 16, class: 'words' }, name.length > letters ? `${name.slice(0, letters - 1)}…` : name),
      svg('text', { x: width, y: y + 16, class: 'number' }, say(row)),
      svg('rect', { x: 0, y: y + 23, width, height: 10, rx: 5, class: 'whole' }),
      svg('rect', { x: 0, y: y + 23, width: long, height: 10, rx: Math.min(5, long / 2), class: full(row) ? 'column full' : 'column' }),
    ]
  })
  return figure(draw, rows.length * high, null, table(title, names, rows.map((row) => [row[0], say(row)])))
}

// timeline shows two figures of each day: a column, and in front of it a thinner
// one of the same measure.
export function timeline({ title, items, day, names, values }) {
  const high = 220, foot = 24
  const most = step(Math.max(...items.map((item) => values(item)[0]), 1))
  const draw = (width) => {
    const left = 8 + 8 * String(most).length, room = (width - left) / items.length, y = (n) => 10 + (high - foot - 10) * (1 - n / most)
    const lines = [0, 0.5, 1].map((part) => part * most).filter(Number.isInteger)
    const every = Math.ceil(64 / room)
    return [
      ...lines.flatMap((n) => [svg('line', { x1: left, x2: width, y1: y(n), y2: y(n), class: 'line' }), svg('text', { x: left - 8, y: y(n) + 4, class: 'number' }, n.toLocaleString())]),
      ...items.flatMap((item, i) => {
        const [first, second] = values(item), x = left + i * room, wide = Math.max(1, room * 0.72)
        const column = (n, kind, part) => svg('rect', { x: x + (room - wide * part) / 2, y: y(n), width: wide * part, height: y(0) - y(n), rx: Math.min(3, wide / 3), class: kind })
        return [svg('g', {}, svg('title', {}, `${day(item)}: ${first} ${names[0]}, ${second} ${names[1]}`), svg('rect', { x, y: 0, width: room, height: high, class: 'touch' }), column(first, 'column pale', 1), column(second, 'column', 0.5)),
          ...i % every === 0 && x + 40 < width ? [svg('text', { x: x + room / 2, y: high - 6, class: i ? 'words middle' : 'words' }, day(item))] : []]
      }),
    ]
  }
  const legend = el('span.legend', {}, el('span.pale', {}, names[0]), el('span', {}, names[1]))
  return figure(draw, high, legend, table(title, ['Time', ...names], items.map((item) => [day(item), ...values(item)])))
}

// step is a round number that is not smaller.
function step(n) {
  const ten = 10 ** Math.floor(Math.log10(n))
  return Math.max(4, [1, 2, 4, 6, 8, 10].map((one) => one * ten).find((round) => round >= n))
}
