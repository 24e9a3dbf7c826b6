// A mail server for one test: it takes every message (RFC 5321) and hands it
// over as text.
import { createServer } from 'node:net'

// mailbox answers with its URL, `next`, which waits for a message, and `stop`.
export async function mailbox() {
  const arrived = [], waiting = []
  const take = (mail) => waiting.length ? waiting.shift()(mail) : arrived.push(mail)
  const server = createServer((socket) => {
    let text = '', body = false
    socket.on('error', () => {})
    socket.write('220 mailbox\r\n')
    socket.on('data', (bytes) => {
      text += bytes
      for (let end; (end = text.indexOf(body ? '\r\n.\r\n' : '\r\n')) >= 0;) {
        const line = text.slice(0, end)
        text = text.slice(end + (body ? 5 : 2))
        if (body) take(decode(line.replaceAll('\r\n..', '\r\n.')))
        body = !body && /^DATA$/i.test(line)
        socket.write(body ? '354 go on\r\n' : /^QUIT/i.test(line) ? '221 bye\r\n' : '250 ok\r\n')
      }
    })
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `smtp://127.0.0.1:${server.address().port}`,
    next: () => new Promise((done) => arrived.length ? done(arrived.shift()) : waiting.push(done)),
    stop: () => server.close(),
  }
}

// decode undoes quoted-printable (RFC 2045, section 6.7), in ASCII.
const decode = (mail) => mail.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
