// Words and times. All texts come from the page, as words.go has them.

const texts = JSON.parse(document.getElementById('words').textContent)

/** say is a text with its values. */
export function say(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole))
}

/** count is the text of a number, which it has as {n}. */
export const count = (key, n, values = {}) => say(`${key}.${n === 1 ? 'one' : 'many'}`, { ...values, n })

/** has reports whether there is such a text. */
export const has = (key) => key in texts

// The record's clock, by what it said when the page was made or the last update came.
let ahead = 0

/** setClock takes over the record's time, in milliseconds. */
export function setClock(at) {
  if (Number.isFinite(at)) ahead = at - Date.now()
}
setClock(Date.parse(document.body.dataset.at))

/** now is the record's time, in milliseconds. */
export const now = () => Date.now() + ahead

/** exact is a time as it stands where there is room for all of it. */
export const exact = (at) => (at === null ? say('time.none') : new Date(at).toISOString().slice(0, 19).replace('T', ' ') + ' UTC')

/** brief is a time in a cell: of the same day the hour, else the day, else the year. */
export function brief(at) {
  if (at === null) return ''
  const [then, today] = [new Date(at).toISOString(), new Date(now()).toISOString()]
  if (then.slice(0, 10) === today.slice(0, 10)) return then.slice(11, 16)
  if (then.slice(0, 4) === today.slice(0, 4)) return then.slice(5, 10)
  return then.slice(0, 4)
}

/** ago is how long ago a time was, in one unit. */
export function ago(at) {
  if (at === null) return say('time.none')
  const s = Math.floor((now() - Date.parse(at)) / 1000)
  if (s < 5) return say('time.now')
  const [key, n] = s < 60 ? ['time.s', s] : s < 3600 ? ['time.min', Math.floor(s / 60)] : s < 48 * 3600 ? ['time.h', Math.floor(s / 3600)] : ['time.d', Math.floor(s / 86400)]
  return say('time.ago', { span: say(key, { n }) })
}

/** when is a time as an element: how long ago, with the exact time in its title. */
export function when(at) {
  if (at === null) return make('span', { class: 'none' }, say('time.none'))
  return make('time', { datetime: at, title: exact(at) }, ago(at))
}

/** make is an element with attributes and children. */
export function make(name, attributes = {}, ...children) {
  const e = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== false) e.setAttribute(key, value)
  e.append(...children)
  return e
}

/** setText changes a text only where it differs, so that nothing is laid out or read for nothing. */
export function setText(e, text) {
  if (e && e.textContent !== text) e.textContent = text
}

/** root is the console's address, whatever prefix or proxy is before it. */
export const root = new URL(document.body.dataset.root, location.href)

/** address is that of something below the root. */
export const address = (path) => new URL(path, root).href
