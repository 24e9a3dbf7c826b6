// The proof of work of the contact form, beside the page so that it stays
// smooth: a nonce for which SHA-256(token + nonce) begins with `bits` zeros.
onmessage = async ({ data: { token, bits } }) => {
  const text = new TextEncoder()
  const hash = async (nonce) => new DataView(await crypto.subtle.digest('SHA-256', text.encode(token + nonce))).getUint32(0)
  for (let first = 0; ; first += 64) {
    const hashes = await Promise.all(Array.from({ length: 64 }, (_, i) => hash(first + i)))
    const found = hashes.findIndex((h) => Math.clz32(h) >= bits)
    if (found >= 0) return postMessage(String(first + found))
  }
}
