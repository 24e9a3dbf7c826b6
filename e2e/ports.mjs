// Ports that nobody listens on, below those that the kernel gives to clients.
import { createServer } from 'node:net'

const isFree = (port) => new Promise((done) => {
  const server = createServer().once('error', () => done(false)).listen(port, '127.0.0.1', () => server.close(() => done(true)))
})

// freePorts answers with the first of so many neighbours.
export async function freePorts(many) {
  for (;;) {
    const first = 20000 + Math.floor(Math.random() * 12000)
    const free = await Promise.all(Array.from({ length: many }, (_, i) => isFree(first + i)))
    if (free.every(Boolean)) return first
  }
}
