// A site as a person would have it at home: the API and three frontends on four
// names of one site, TLS of a private CA, nginx configured as Nginx Proxy
// Manager configures it, the example frontends, and the demo's content. Each
// start is a server and a database of its own, in a folder that goes at stop.
// It needs bin/homebase, Go, nginx, openssl and certutil.
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from './ports.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const names = { api: 'api.site.test', portfolio: 'portfolio.site.test', storage: 'storage.site.test', console: 'console.site.test' }
// Programs that people sign in to live below the same domain and elsewhere.
export const apps = ['app.site.test', 'app.example']
// Others have pages too: one below the same domain, one elsewhere.
export const strangers = ['evil.site.test', 'evil.example']
const origin = (name) => `https://${names[name]}`

// The settings of the caller's own server are not those of this one.
const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('HOMEBASE_')))

// certify makes a CA that only a browser with this home trusts, and a
// certificate for the names.
function certify(dir, home) {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', '/CN=Test CA',
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
  openssl('req', ...ec, '-keyout', 'key.pem', '-out', 'cert.csr', '-subj', '/CN=site.test')
  writeFileSync(join(dir, 'names'), `subjectAltName=DNS:*.site.test,DNS:app.example,DNS:evil.example\nextendedKeyUsage=serverAuth\n`)
  openssl('x509', '-req', '-in', 'cert.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', 'names', '-out', 'cert.pem')
  const nss = `sql:${join(home, '.pki/nssdb')}`
  mkdirSync(join(home, '.pki/nssdb'), { recursive: true })
  execFileSync('certutil', ['-d', nss, '-N', '--empty-password'])
  execFileSync('certutil', ['-d', nss, '-A', '-t', 'C,,', '-n', 'test-ca', '-i', join(dir, 'ca.crt')])
}

// publish copies a frontend to where nginx serves it from, with the addresses of
// this site in its pages.
function publish(name, www) {
  const examples = join(root, 'examples')
  cpSync(join(examples, name), www, { recursive: true })
  for (const file of readdirSync(examples)) {
    if (/\.(js|css|svg)$/.test(file)) cpSync(join(examples, file), join(www, file))
  }
  for (const file of readdirSync(www)) {
    if (!file.endsWith('.html')) continue
    let page = readFileSync(join(www, file), 'utf8')
    for (const [i, name] of Object.keys(names).entries()) page = page.replaceAll(`http://localhost:${8080 + i}`, origin(name))
    writeFileSync(join(www, file), page)
  }
}

// configure is nginx.conf. What stands in http and in the API's location is
// what Nginx Proxy Manager writes by itself; the included files are what a person
// puts into the box "Advanced".
function configure(dir, port, workers, programs, guarded) {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${dir}/tmp/${what};`).join(' ')
  const server = (host, body, alone) => `server { listen 127.0.0.1:${port} ssl http2; ${alone ? `listen ${alone}:${port} ssl http2;` : ''} server_name ${host}; ${body} }`
  const proxied = (to) => `
          add_header X-Served-By $host;
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-Scheme $scheme;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Real-IP $remote_addr;
          proxy_pass http://${to}$request_uri;`
  mkdirSync(join(dir, 'conf.d/include'), { recursive: true })
  writeFileSync(join(dir, 'conf.d/include/proxy.conf'), proxied('$server:$port'))
  writeFileSync(join(dir, 'gate.conf'), readFileSync(join(root, 'deploy/gate.conf'), 'utf8').replace('http://homebase:8080', 'http://workers'))
  const frontend = (name) => server(names[name], `root ${dir}/www/${name}; add_header Cache-Control no-cache; add_header Content-Security-Policy "frame-ancestors 'none'";`)
  return `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/nginx.log;
    ${process.getuid() === 0 ? 'user root;' : ''}
    events {}
    http {
      include /etc/nginx/mime.types; access_log off; ${temp}
      ssl_certificate cert.pem; ssl_certificate_key key.pem;
      sendfile on; tcp_nopush on; gzip on; keepalive_timeout 90s; client_max_body_size 2000m; proxy_cache off;
      set_real_ip_from 10.0.0.0/8; set_real_ip_from 172.16.0.0/12; set_real_ip_from 192.168.0.0/16; real_ip_header X-Real-IP; real_ip_recursive on;
      proxy_connect_timeout 90s; proxy_send_timeout 90s; proxy_read_timeout 90s; proxy_http_version 1.1;
      ${['portfolio', 'storage', 'console'].map(frontend).join(' ')} ${server(apps.join(' '), `root ${dir}/www/app; location / { try_files $uri /index.html; }`)}
      ${server(strangers.join(' '), `default_type text/html; return 200 '<!doctype html><title>x</title>';`)}
      upstream workers { ${workers.map((worker) => `server 127.0.0.1:${worker};`).join(' ')} }
      ${server(names.api, `
        include ${root}deploy/nginx-proxy-manager.conf;
        location / {${proxied('workers')}
        }`)}
      ${Object.entries(programs).map(([name, port]) => server(`${name}.site.test`, `location / {${proxied(`127.0.0.1:${port}`)}
        }`)).join('\n      ')}
      ${Object.entries(guarded).map(([name, port], i) => server(`${name}.site.test`, `set $server 127.0.0.1; set $port ${port}; include gate.conf;`, `127.0.1.${i + 1}`)).join('\n      ')}
    }`
}

const stopped = (child) => new Promise((done) => (child.exitCode ?? child.signalCode) === null ? child.once('exit', done) : done())

// start answers when all of it serves. `inside` is the API's address without
// nginx, for what a test prepares and looks up; `sign` gives headers for it.
// `content` fills in the demo's; with `second` there are two workers, of which
// nginx asks each in turn; `programs` are others of the house, name: port, and
// `guarded` those behind the gate, each also at an address where it is alone.
export async function start({ settings = {}, content = true, second = false, programs = {}, guarded = {} } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'homebase-site-'))
  const home = join(dir, 'home')
  const port = await freePorts(second ? 3 : 2)
  const workers = second ? [port + 1, port + 2] : [port + 1]
  const email = 'admin@example.com'
  const password = randomBytes(12).toString('hex')
  for (const name of ['tmp', 'home', 'www']) mkdirSync(join(dir, name))
  certify(dir, home)
  for (const name of ['portfolio', 'storage', 'console']) publish(name, join(dir, 'www', name))
  mkdirSync(join(dir, 'www/app'))
  writeFileSync(join(dir, 'nginx.conf'), configure(dir, port, workers, programs, guarded))

  const env = {
    ...clean, HOMEBASE_PUBLIC_URL: origin('api'), HOMEBASE_ACCOUNT_URL: `${origin('storage')}/account.html`,
    HOMEBASE_ORIGINS: ['portfolio', 'storage', 'console'].map(origin).join(), HOMEBASE_TRUSTED_PROXIES: '127.0.0.1/32',
    HOMEBASE_DATA_DIR: join(dir, 'data'), HOMEBASE_STATE_DIR: join(dir, 'state'), HOMEBASE_MIN_FREE: '1MiB', HOMEBASE_RATE_LIMITS: 'off',
    HOMEBASE_LOG_FORMAT: 'json', HOMEBASE_PASSKEY_DOMAIN: 'site.test', ...settings,
  }
  let log = ''
  const servers = []
  const serve = async (worker) => {
    const server = spawn(join(root, 'bin/homebase'), ['serve'], { env: { ...env, HOMEBASE_LISTEN: `127.0.0.1:${worker}` }, stdio: ['ignore', 'ignore', 'pipe'] })
    servers.push(server)
    server.stderr.on('data', (text) => { log += text })
    for (let i = 0; !(await fetch(`http://127.0.0.1:${worker}/api/v1/system/ready`).catch(() => ({}))).ok; i++) {
      if (i === 600 || server.exitCode !== null) throw new Error(`the server did not start: ${log}`)
      await new Promise((done) => setTimeout(done, 200))
    }
  }
  const proxy = () => spawn('nginx', ['-e', join(dir, 'nginx.log'), '-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'inherit' })
  let nginx = proxy()
  const site = {
    ...Object.fromEntries(Object.keys(names).map((name) => [name, origin(name)])), inside: `http://127.0.0.1:${workers[0]}/api/v1`, workers: workers.map((worker) => `http://127.0.0.1:${worker}/api/v1`),
    email, password, home, port, dir, log: () => log,
    async sign() {
      const login = await fetch(`${site.inside}/auth/login`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ email, password, mode: 'token' }),
      })
      return { Authorization: `Bearer ${(await login.json()).access_token}` }
    },
    // run is a command in the server's shell.
    run: (...args) => execFileSync(join(root, 'bin/homebase'), args, { env, stdio: 'pipe' }),
    // sql changes what no route does, such as the time at which something was done.
    sql: (text) => execFileSync('psql', ['-h', /"socket":"([^"]+)"/.exec(log)[1], '-p', '5432', '-U', 'homebase', '-qc', text, 'homebase'], { env: clean, stdio: 'pipe' }),
    // put adds a page to a frontend, or to the programs' hosts as "app".
    put: (name, file, text) => writeFileSync(join(dir, 'www', name, file), text),
    // cut breaks every connection to the site, mend lets new ones be made.
    async cut() {
      nginx.kill('SIGTERM')
      await stopped(nginx)
    },
    mend() { nginx = proxy() },
    // halt stops Homebase alone.
    async halt() {
      for (const server of servers) server.kill('SIGTERM')
      await Promise.all(servers.map(stopped))
    },
    async stop() {
      nginx.kill('SIGQUIT')
      await Promise.all([site.halt(), stopped(nginx)])
      const cluster = /"data":"(\/var\/lib\/homebase\/[^"]+)"/.exec(log)?.[1]
      for (const path of [dir, cluster]) if (path) rmSync(path, { recursive: true, force: true })
    },
  }
  process.once('SIGTERM', () => site.stop().then(() => process.exit(1))) // a run that takes too long
  try {
    for (const worker of workers) await serve(worker)
    execFileSync(join(root, 'bin/homebase'), ['user', 'create', email, '--role', 'admin', '--password-stdin'], { env, input: password, stdio: 'pipe' })
    if (content) execFileSync('go', ['run', './examples/demo', '-fill', site.inside, '-email', email], { cwd: root, env: clean, input: password, stdio: ['pipe', 'pipe', 'inherit'] })
  } catch (problem) {
    await site.stop()
    throw problem
  }
  return site
}
