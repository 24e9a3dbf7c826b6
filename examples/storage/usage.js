// How much a tree takes of what it may, and which part of that is no file that
// one sees.
import { bytes, el } from '../dom.js'

export const meterOf = ({ quota, used, trash, versions }) => [
  el('meter', { min: 0, max: quota, value: used, high: 0.9 * quota, 'aria-label': 'Storage used' }),
  el('p', {}, `${bytes(used)} of ${bytes(quota)} used, ${bytes(trash)} of it in the trash and ${bytes(versions)} in old versions.`)]
