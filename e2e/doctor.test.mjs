// `homebase doctor` in front of a real nginx that is misconfigured in one way
// after the other: it must name each fault, and nothing else. It needs nginx,
// openssl, and a command that runs homebase beside a running server:
// HOMEBASE_URL and HOMEBASE_WITH, as e2e/run gives them.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePorts } from './ports.mjs'

const { HOMEBASE_URL: url, HOMEBASE_WITH: run } = process.env
const dir = mkdtempSync(join(tmpdir(), 'homebase-doctor-'))
const first = await freePorts(51)
const worker = first + 50

const sound = {
  pass: `proxy_pass http://127.0.0.1:${worker};`,
  address: 'proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Real-IP $remote_addr;',
  limit: 'client_max_body_size 0;',
  request: 'proxy_request_buffering off;',
  answer: 'proxy_buffering off;',
  more: '',
  host: 'real_ip_header proxy_protocol;',
}

// What Nginx Proxy Manager has for every host, with this machine among the
// private networks; and the lines that its page asks for, in a host.
const npm = 'set_real_ip_from 10.0.0.0/8; set_real_ip_from 172.16.0.0/12; set_real_ip_from 192.168.0.0/16; set_real_ip_from 127.0.0.0/8; real_ip_header X-Real-IP; real_ip_recursive on;'
const asked = readFileSync(new URL('../deploy/nginx-proxy-manager.conf', import.meta.url), 'utf8')

// What is planted, and the check that must name it.
const faults = [
  { name: 'nothing', check: undefined },
  { name: 'a certificate that nobody trusts', check: 'tls', untrusted: true },
  { name: 'a server that does not trust its proxy', check: 'trusted_proxies', pass: `proxy_pass ${url.replace('localhost', '127.0.0.1')};`, origins: '' },
  { name: 'no word of who the client is', check: 'client_address', address: '' },
  { name: 'the word of the client itself', check: 'client_address', address: 'proxy_set_header X-Forwarded-For $http_x_forwarded_for;' },
  { name: "Nginx Proxy Manager's belief in private networks", check: 'client_address', mend: 'real_ip_header proxy_protocol;', host: '' },
  { name: 'a belief in a header that nobody sends', check: 'client_address', host: 'real_ip_header X-Unused;' },
  { name: 'that belief, and the lines of deploy/', check: undefined, limit: '', request: '', answer: '', host: asked },
  { name: 'a belief in X-Forwarded-For', check: 'client_address', host: 'real_ip_header X-Forwarded-For;' },
  { name: 'no Authorization', check: 'authorization', more: 'proxy_set_header Authorization "";' },
  { name: 'cookies that lost Secure', check: 'cookies', more: 'proxy_cookie_flags ~ nosecure;' },
  { name: 'cookies that do not come back', check: 'cookies', more: 'proxy_set_header Cookie "";' },
  { name: 'a cache', check: 'cache', more: 'proxy_cache all; proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control Set-Cookie Vary; proxy_buffering on;', answer: '' },
  { name: "Nginx Proxy Manager's body limit", check: 'body_limit', limit: 'client_max_body_size 2000m;' },
  { name: 'buffered uploads', check: 'request_buffering', request: '' },
  { name: 'buffered answers', check: 'event_stream', answer: '' },
  { name: 'an impatient proxy', check: 'event_stream', more: 'proxy_read_timeout 1s;', request: 'proxy_request_buffering off; proxy_send_timeout 60s;' },
  { name: 'a permission for everyone', check: 'cors', more: 'add_header Access-Control-Allow-Origin "*" always;' },
  { name: 'preflights that the proxy answers', check: 'cors', more: 'if ($request_method = OPTIONS) { return 204; }' },
  { name: 'a path that is changed', check: 'reach', pass: `proxy_pass http://127.0.0.1:${worker}/other/;` },
  { name: 'no server behind it', check: 'reach', pass: 'proxy_pass http://127.0.0.1:9;' },
]

// Guarded hosts, each an address of this machine, by the lines of deploy/ and
// what an operator makes of them.
const gate = readFileSync(new URL('../deploy/gate.conf', import.meta.url), 'utf8').replace('http://homebase:8080', `http://127.0.0.1:${worker}`).replaceAll('$scheme://$server_name', '$scheme://$http_host')
const without = (...lines) => lines.reduce((text, line) => {
  assert.notEqual(text.replace(line, ''), text)
  return text.replace(line, '')
}, gate)
const body = ['proxy_pass_request_body off;', 'proxy_pass_request_headers off;', 'proxy_set_header Content-Length "";']
const around = 'location ^~ /api/ { include conf.d/include/proxy.conf; }'
const guards = [
  { name: 'nothing', lines: gate },
  { name: 'nothing, and a Custom Location', lines: gate + around },
  { name: 'no lines', check: 'gate.open', lines: 'location / { include conf.d/include/proxy.conf; }' },
  { name: 'a guard inside location /, and a Custom Location', check: 'gate.around', says: '/api/,', lines: without('auth_request /.homebase/check;').replace('location / {', 'location / { auth_request /.homebase/check;') + around },
  { name: 'no callback', check: 'gate.callback', lines: without(/location = .\.homebase.callback [^}]*}/) },
  // Homebase itself waits for no body; a second proxy on the way does.
  { name: 'the body announced', lines: without(...body) },
  { name: 'the body announced to a second proxy', check: 'gate.body', lines: without(...body).replace(`127.0.0.1:${worker}`, `127.0.0.1:${first + 41}`) },
  { name: 'the cookie dropped', check: 'gate', says: 'cookie', lines: without('add_header Set-Cookie $homebase_begin;') },
  { name: 'nobody sent to sign in', check: 'gate', says: 'sends nobody', lines: without('error_page 401 = @homebase;') },
  { name: 'no address told', check: 'gate', says: 'understand', lines: without('proxy_set_header X-Original-URL $scheme://$http_host$request_uri;') },
  { name: 'another address of Homebase', check: 'gate', says: 'reach', lines: gate.replace(`127.0.0.1:${worker}`, '127.0.0.1:9') },
].map((guard, i) => ({ ...guard, host: `127.0.1.${i + 1}:${first}` }))

let nginx, server

const settings = (port, origins = 'https://files.example.com') =>
  [`HOMEBASE_LISTEN=127.0.0.1:${worker}`, `HOMEBASE_PUBLIC_URL=https://localhost:${port}`, `HOMEBASE_ORIGINS=${origins}`, 'HOMEBASE_TRUSTED_PROXIES=127.0.0.1/32', 'HOMEBASE_ACCOUNT_URL=https://files.example.com/account.html'].join(' ')

const doctor = (port, origins, env) =>
  new Promise((done) => {
    execFile('sh', ['-c', `${run} ${settings(port, origins)} -- doctor --json`], { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      done({ code: error ? error.code : 0, findings: JSON.parse(stdout || '[]'), stderr }))
  })

before(async () => {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem',
    '-days', '30', '-subj', '/CN=localhost', '-addext', `subjectAltName=DNS:localhost,${guards.map(({ host }) => `IP:${host.split(':')[0]}`)}`)
  mkdirSync(join(dir, 'tmp'))
  mkdirSync(join(dir, 'conf.d/include'), { recursive: true })
  writeFileSync(join(dir, 'conf.d/include/proxy.conf'), `proxy_set_header Host $host; proxy_pass http://127.0.0.1:${first + 40};`)
  const servers = faults.map((fault, i) => {
    const lines = { ...sound, ...fault }
    return `server { listen 127.0.0.1:${first + i} ssl; ${lines.host} location / {
      proxy_http_version 1.1; proxy_set_header Host $host;
      ${lines.pass} ${lines.address} ${lines.limit} ${lines.request} ${lines.answer} ${lines.more} } }`
  })
  servers.push(`server { listen 127.0.0.1:${first + 40}; return 200 program; }`, `server { listen 127.0.0.1:${first + 41}; location / { ${sound.pass} } }`)
  for (const { host, lines } of guards) servers.push(`server { listen ${host} ssl; ${lines} }`)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/tmp/${name};`).join(' ')
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
    ${process.getuid() === 0 ? 'user root;' : ''}
    events {} http { access_log off; ${temp} ${npm} proxy_cache_path ${dir}/tmp/cache keys_zone=all:1m;
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    ${servers.join('\n')} }`)
  nginx = spawn('nginx', ['-e', join(dir, 'error.log'), '-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'inherit' })
  server = spawn('sh', ['-c', `exec ${run} ${settings(first)} -- serve`], { stdio: 'ignore', detached: true })
  for (let i = 0; ; i++) {
    const answer = await fetch(`http://127.0.0.1:${worker}/api/v1/system/ready`).catch(() => ({}))
    if (answer.ok) break
    assert.ok(i < 600, 'the worker behind nginx did not start')
    await new Promise((done) => setTimeout(done, 200))
  }
})

after(() => {
  nginx?.kill()
  if (server) process.kill(-server.pid, 'SIGTERM')
  rmSync(dir, { recursive: true, force: true })
})

test('the doctor names each planted fault and nothing else', async () => {
  const reports = await Promise.all(faults.map((fault, i) => doctor(first + i, fault.origins, fault.untrusted ? {} : { SSL_CERT_FILE: join(dir, 'cert.pem') })))
  for (const [i, fault] of faults.entries()) {
    const { code, findings, stderr } = reports[i]
    const named = findings.filter((finding) => finding.level === 'fault')
    assert.deepEqual([...new Set(named.map((finding) => finding.check))], fault.check ? [fault.check] : [], `${fault.name}: ${JSON.stringify(named)} ${stderr}`)
    assert.equal(code, fault.check ? 1 : 0, fault.name)
    for (const finding of named) assert.ok(finding.why && finding.mend?.includes(fault.mend ?? ''), `${fault.name}: no word of how to mend it`)
  }
})

test('the doctor names what is wrong with guarded hosts, and which host it is', async () => {
  const api = (method, path, body) => JSON.parse(execFileSync('sh', ['-c', `${run} ${settings(first)} -- api ${method} ${path} ${body ? `'${JSON.stringify(body)}'` : ''}`], { stdio: 'pipe', encoding: 'utf8' }) || 'null')
  const hosts = guards.map(({ host, name }) => api('POST', '/auth/gate/hosts', { host, name }))
  try {
    const { findings } = await doctor(first, undefined, { SSL_CERT_FILE: join(dir, 'cert.pem') })
    for (const { name, check, says = '', host } of guards) {
      const named = findings.filter(({ level, what }) => level === 'fault' && what.includes(host))
      assert.deepEqual(named.map((finding) => finding.check), check ? [check] : [], `${name}: ${JSON.stringify(named)}`)
      for (const finding of named) assert.ok(finding.why && finding.mend && finding.what.includes(says), `${name}: ${finding.what}`)
    }
  } finally {
    for (const { id } of hosts) api('DELETE', `/auth/gate/hosts/${id}`)
  }
})
