// Who the portfolio is about.
import { el, say } from '../dom.js'
import { form } from '../form.js'
import { links } from './choices.js'
import { again, head } from './parts.js'
import { pictures } from './pictures.js'
import { site } from './projects.js'

export async function profile(api, main, bar) {
  const one = await api.get('/portfolio/profile', null, { cache: 'no-cache' })
  const line = (name, label, more) => ({ name, label, value: one[name], autocomplete: 'off', ...more })
  main.replaceChildren(head('Profile', el('a.seldom', { href: site, target: '_blank', rel: 'noopener' }, 'View the site')), bar, el('section.card', {}, form({
    submit: 'Save', fields: [
      line('name', 'Name'), line('headline', 'Headline', { rows: 2, hint: 'The first words that a visitor reads.' }), line('summary', 'About', { rows: 5 }),
      pictures(api, { name: 'image', label: 'Portrait', value: [one.image_id].filter(Boolean), of: {}, most: 1 }),
      line('email', 'E-mail', { type: 'email', hint: 'Visitors see it.' }), line('phone', 'Phone'), line('location', 'Place'), line('region', 'Region'), line('country_code', 'Country', { placeholder: 'DK', maxLength: 2 }),
      links({ name: 'links', label: 'Links', value: one.links })],
    act: async ({ image: [id = null], ...values }) => {
      await api.put('/portfolio/profile', { ...values, image_id: id }, { headers: { 'If-Match': `"r${one.revision}"` } })
      say('Saved. Visitors see it within a minute.')
      again()
    },
  })))
}
