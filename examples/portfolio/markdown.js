// Markdown to DOM nodes, as much of it as people write: headings, paragraphs,
// lists, quotes, code, rules, emphasis and links. What somebody wrote becomes
// text nodes and a fixed set of elements, never HTML, so nothing in it can run.

const inline = /`([^`]+)`|\*\*(.+?)\*\*|\*(.+?)\*|\b_(.+?)_\b|\[([^\]]+)\]\(([^)\s]+)\)|<(https?:\/\/[^>\s]+)>/

const element = (name, children) => {
  const e = document.createElement(name)
  e.append(...children)
  return e
}

// link leads only where a person can be led: no javascript:, no data:.
function link(address, children) {
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return children
  const a = element('a', children)
  a.href = address
  a.rel = 'noopener noreferrer'
  return [a]
}

function spans(text) {
  const found = inline.exec(text)
  if (!found) return [text]
  const [all, code, strong, em, em2, label, address, bare] = found
  const nodes = code ? [element('code', [code])]
    : strong ? [element('strong', spans(strong))]
    : em || em2 ? [element('em', spans(em || em2))]
    : bare ? link(bare, [bare])
    : link(address, spans(label))
  return [text.slice(0, found.index), ...nodes, ...spans(text.slice(found.index + all.length))]
}

const bullet = /^\s*[-*+] +/
const number = /^\s*\d+[.)] +/

// markdown gives the nodes of a text. Its headings begin below the page's own.
export function markdown(text) {
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  const nodes = []
  const take = (while_) => {
    const taken = []
    while (lines.length && while_(lines[0])) taken.push(lines.shift())
    return taken
  }
  const items = (form) => {
    const list = []
    for (const line of take((l) => form.test(l) || (/^\s+\S/.test(l) && !bullet.test(l) && !number.test(l)))) {
      if (form.test(line)) list.push(line.replace(form, ''))
      else list[list.length - 1] += ` ${line.trim()}`
    }
    return list.map((item) => element('li', spans(item)))
  }
  while (lines.length) {
    const line = lines[0]
    const heading = /^(#{1,6}) +(.*)/.exec(line)
    if (!line.trim()) lines.shift()
    else if (/^```/.test(line)) {
      lines.shift()
      const code = element('pre', [element('code', [take((l) => !/^```/.test(l)).join('\n')])])
      code.tabIndex = 0 // it scrolls sideways, also for who has only keys
      nodes.push(code)
      lines.shift()
    } else if (heading) {
      lines.shift()
      nodes.push(element(`h${Math.min(Math.max(heading[1].length, 2), 6)}`, spans(heading[2])))
    } else if (/^(-{3,}|\*{3,})\s*$/.test(line)) {
      lines.shift()
      nodes.push(element('hr', []))
    } else if (line.startsWith('>')) {
      nodes.push(element('blockquote', markdown(take((l) => l.startsWith('>')).map((l) => l.replace(/^> ?/, '')).join('\n'))))
    } else if (bullet.test(line)) nodes.push(element('ul', items(bullet)))
    else if (number.test(line)) nodes.push(element('ol', items(number)))
    else {
      const first = lines.shift() // whatever it is, so that every turn takes one
      const rest = take((l) => l.trim() && !/^(#{1,6} |```|>)/.test(l) && !bullet.test(l) && !number.test(l))
      nodes.push(element('p', spans([first, ...rest].join(' '))))
    }
  }
  return nodes
}
