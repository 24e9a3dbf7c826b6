// A sign-in that ends in the middle of something: the page stays as it is behind
// a door, and what was asked for goes on when the same person comes back.
import { el } from '../dom.js'
import { Homebase } from '../homebase.js'
import { signIn } from '../signin.js'

export class Session extends Homebase {
  #who // the user whose page this is
  #door

  constructor() {
    super()
    this.addEventListener('signin', () => this.#enter())
    this.addEventListener('signout', () => this.#close())
  }

  // fetch waits for the person to sign in again where it finds nobody, and asks
  // once more.
  async fetch(path, init) {
    const was = this.user
    try {
      return await super.fetch(path, init)
    } catch (problem) {
      if (!was || this.user || problem.status !== 401) throw problem
      await new Promise((done) => this.addEventListener('back', done, { once: true }))
      return super.fetch(path, init)
    }
  }

  // enter begins: with whoever is signed in, or with the door closed.
  async enter() {
    this.#who = (await this.start())?.id
    if (!this.#who) this.#close()
  }

  // leave signs out on purpose: nothing stays on the screen.
  async leave() {
    await this.signOut()
    location.replace('#/')
    location.reload()
  }

  can(...permissions) {
    return permissions.some((permission) => this.user?.permissions.includes(permission))
  }

  #enter() {
    if (this.#who && this.#who !== this.user.id) return location.reload() // somebody else
    this.#door?.remove()
    this.#door = null
    if (this.#who) this.dispatchEvent(new Event('back'))
    else this.dispatchEvent(new Event('first'))
    this.#who = this.user.id
  }

  // #close shows the sign-in over everything, dialogs too.
  #close() {
    if (this.#door) return
    const words = this.#who ? 'Your sign-in has ended. Sign in again to continue where you were.' : 'To manage this server: people, portfolio, messages and more.'
    this.#door = el('dialog.door', { 'aria-label': 'Sign in', oncancel: (event) => event.preventDefault() }, signIn(this, words))
    document.body.append(this.#door)
    this.#door.showModal()
    this.#door.querySelector('input').focus()
  }
}
