// The contact form: it asks for a challenge as soon as somebody begins to
// write, lets a worker solve it, and sends when the server's wait is over.

// prepare fetches a challenge and answers with what a post needs of it, when
// that is old enough.
async function prepare(api) {
  const { token, bits, min_age_seconds: age } = await api.get('/portfolio/contact/challenge')
  const wait = new Promise((done) => setTimeout(done, 1000 * age + 200))
  const worker = new Worker('work.js')
  const nonce = await new Promise((done, fail) => {
    worker.onmessage = ({ data }) => done(data)
    worker.onerror = () => fail(new Error('Your browser could not do the arithmetic; please write an email.'))
    worker.postMessage({ token, bits })
  })
  worker.terminate()
  await wait
  return { token, nonce }
}

export function contact(form, api) {
  const output = form.querySelector('output')
  const button = form.querySelector('button')
  let prepared
  const begin = () => {
    prepared ??= prepare(api)
    prepared.catch(() => { prepared = undefined }) // told where it is awaited
    return prepared
  }
  const complain = (fields) => {
    for (const old of form.querySelectorAll('.wrong')) old.remove()
    for (const field of form.querySelectorAll('input, textarea')) {
      const text = fields[field.name]
      field.removeAttribute('aria-invalid')
      field.removeAttribute('aria-describedby')
      if (!text) continue
      const wrong = Object.assign(document.createElement('span'), { className: 'wrong', id: `wrong-${field.name}`, textContent: text })
      field.setAttribute('aria-describedby', wrong.id)
      field.setAttribute('aria-invalid', 'true')
      field.after(wrong)
    }
    form.querySelector('[aria-invalid=true]')?.focus()
  }
  const send = async () => {
    const letter = Object.fromEntries(new FormData(form))
    for (let tries = 0; ; tries++) {
      const proof = await begin()
      try {
        await api.post('/portfolio/contact', { ...letter, ...proof })
        return (prepared = undefined) // each letter needs one of its own
      } catch (problem) {
        // Too old: the page may have stood open for hours.
        if (problem.code !== 'challenge_invalid' || tries) throw problem
        prepared = undefined
      }
    }
  }
  form.addEventListener('focusin', () => begin().catch(() => {}))
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const missing = [...form.querySelectorAll(':invalid')].map((field) => [field.name, field.validationMessage])
    complain(Object.fromEntries(missing))
    if (missing.length) return
    button.disabled = true
    output.textContent = 'Sending …'
    try {
      await send()
      form.reset()
      output.textContent = 'Thank you! Your message has arrived.'
    } catch (problem) {
      complain(problem.fields ?? {})
      output.textContent = problem.message
    }
    button.disabled = false
  })
}
