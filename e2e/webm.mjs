// A film for tests: Chromium encodes one frame a second, and here they are put
// into WebM (https://www.matroska.org/technical/elements.html) with an index,
// so that a player can seek in it.

const size = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n) | 1n << 56n); return b }
const number = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b }
const float = (n) => { const b = Buffer.alloc(8); b.writeDoubleBE(n); return b }

function element(id, ...content) {
  const body = Buffer.concat(content.map((part) => typeof part === 'number' ? number(part) : Buffer.from(part)))
  return Buffer.concat([Buffer.from(id, 'hex'), size(body.length), body])
}

// video is a film of so many seconds; behind each frame lie `padding` bytes
// that players pass over, so that seeking has to leave something out.
export async function video(page, { seconds, padding }) {
  const frames = await page.evaluate(async (seconds) => {
    const canvas = new OffscreenCanvas(160, 120), paint = canvas.getContext('2d'), frames = []
    const encoder = new VideoEncoder({
      output: (chunk) => { const bytes = new Uint8Array(chunk.byteLength); chunk.copyTo(bytes); frames.push([...bytes]) },
      error: (problem) => { throw problem },
    })
    encoder.configure({ codec: 'vp8', width: 160, height: 120, bitrate: 200_000 })
    for (let i = 0; i < seconds; i++) {
      paint.fillStyle = `hsl(${9 * i} 70% 50%)`
      paint.fillRect(0, 0, 160, 120)
      const frame = new VideoFrame(canvas, { timestamp: i * 1e6 })
      encoder.encode(frame, { keyFrame: true })
      frame.close()
    }
    await encoder.flush()
    return frames
  }, seconds)
  const info = element('1549a966', element('2ad7b1', 1_000_000), element('4489', float(1000 * seconds)), element('4d80', 'test'), element('5741', 'test'))
  const tracks = element('1654ae6b', element('ae', element('d7', 1), element('73c5', 1), element('83', 1), element('86', 'V_VP8'),
    element('e0', element('b0', 160), element('ba', 120))))
  const clusters = frames.map((frame, i) => Buffer.concat([
    element('1f43b675', element('e7', 1000 * i), element('a3', [0x81, 0, 0, 0x80], frame)), element('ec', Buffer.alloc(padding))]))
  const index = (before) => {
    let at = before
    return element('1c53bb6b', ...clusters.map((cluster, i) => {
      const cue = element('bb', element('b3', 1000 * i), element('b7', element('f7', 1), element('f1', at)))
      at += cluster.length
      return cue
    }))
  }
  const before = info.length + tracks.length
  return Buffer.concat([
    element('1a45dfa3', element('4282', 'webm'), element('4287', 2), element('4285', 2)),
    element('18538067', info, tracks, index(before + index(0).length), ...clusters)])
}
