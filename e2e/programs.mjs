// Other programs of the house beside a site, untouched and configured as
// docs/apps.md says: Apache with Debian's mod_auth_openidc, miniflux, and
// programs/main.go, which signs people in with go-oidc. Each is reached at
// https://NAME.site.test through the site's nginx.
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePorts } from './ports.mjs'

const run = promisify(execFile)
const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('HOMEBASE_')))

export const names = ['apache', 'miniflux', 'reader']

// ports are free ones for the programs, by name.
export async function ports() {
  const first = await freePorts(names.length)
  return Object.fromEntries(names.map((name, i) => [name, first + i]))
}

// build compiles the two that are written in Go.
export const build = (dir) => run('go', ['build', '-o', `${dir}/`, '.', 'miniflux.app/v2'],
  { cwd: fileURLToPath(new URL('programs', import.meta.url)), env: { ...clean, CGO_ENABLED: '0' } })

// resolver stands in for the DNS of the house: through it the programs find
// the site's names, port 443, at its nginx.
async function resolver(site) {
  const server = createServer().on('connect', (request, client, head) => {
    const nginx = connect(site.port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      nginx.write(head)
      nginx.pipe(client).pipe(nginx)
    })
    nginx.on('error', () => client.destroy())
    client.on('error', () => nginx.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

// apache is httpd.conf: a page that tells who is there, and one for admins.
// Whether somebody is still signed in is asked when the last answer is five
// seconds old: tokens live an hour.
function apache(dir, { port, url, issuer, id, secret, proxy, ca }) {
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'dir', 'mime', 'include', 'auth_openidc']
  mkdirSync(join(dir, 'www/admin'), { recursive: true })
  writeFileSync(join(dir, 'www/index.html'), '<!doctype html><title>Apache</title><h1><!--#echo var="REMOTE_USER" --></h1><p>groups: <!--#echo var="OIDC_CLAIM_groups" --></p>')
  writeFileSync(join(dir, 'www/admin/index.html'), '<!doctype html><title>Apache</title><h1>For admins</h1>')
  writeFileSync(join(dir, 'www/bye.html'), '<!doctype html><title>Apache</title><h1>Goodbye</h1>')
  writeFileSync(join(dir, 'httpd.conf'), `
    ServerName ${url}
    ServerRoot ${dir}
    Listen 127.0.0.1:${port}
    PidFile ${dir}/httpd.pid
    ErrorLog ${dir}/error.log
    LogLevel crit
    Mutex file:${dir} default
    ${process.getuid() === 0 ? 'User www-data\n    Group www-data' : ''}
    ${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n    ')}
    TypesConfig /dev/null
    AddType text/html .html
    DocumentRoot ${dir}/www
    OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
    OIDCClientID ${id}
    OIDCClientSecret ${secret}
    OIDCRedirectURI ${url}/oidc
    OIDCCryptoPassphrase ${randomBytes(16).toString('hex')}
    OIDCScope "openid profile email groups offline_access"
    OIDCPKCEMethod S256
    OIDCRemoteUserClaim preferred_username
    OIDCXForwardedHeaders X-Forwarded-Proto
    
    OIDCRefreshAccessTokenBeforeExpiry 3595 logout_on_error
    OIDCOutgoingProxy ${proxy}
    OIDCCABundlePath ${ca}
    <Directory ${dir}/www>
      Options +Includes
      SetOutputFilter INCLUDES
    </Directory>
    <Location />
      AuthType openid-connect
      Require valid-user
    </Location>
    <Location /admin>
      Require claim groups:admin
    </Location>
    <Location /bye.html>
      Require all granted
    </Location>`)
  return spawn('/usr/sbin/apache2', ['-f', join(dir, 'httpd.conf'), '-D', 'FOREGROUND'], { stdio: 'inherit' })
}

// start starts them all. `clients` are what POST /auth/clients answered, by name.
export async function start(site, { bin, ports, clients }) {
  const house = await resolver(site), proxy = `127.0.0.1:${house.address().port}`
  const ca = join(site.dir, 'ca.crt'), issuer = `${site.api}/api/v1/auth/oidc`
  const ask = { ...clean, HTTPS_PROXY: `http://${proxy}`, SSL_CERT_FILE: ca }
  const [, socket] = /"socket":"([^"]+)"/.exec(site.log())
  await run('createdb', ['-h', socket, '-U', 'postgres', 'miniflux'], { env: clean })
  const apacheDir = join(site.dir, 'apache')
  for (const dir of [site.dir, apacheDir]) {
    mkdirSync(dir, { recursive: true })
    chmodSync(dir, 0o755) // Apache's children are www-data
  }
  const go = (name, env) => spawn(join(bin, name), { env: { ...ask, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const children = {
    apache: apache(apacheDir, { port: ports.apache, url: 'https://apache.site.test', issuer, id: clients.apache.client_id, secret: clients.apache.client_secret, proxy, ca }),
    reader: go('programs', {
      LISTEN: `127.0.0.1:${ports.reader}`, URL: 'https://reader.site.test', ISSUER: issuer, CLIENT_ID: clients.reader.client_id, CLIENT_SECRET: clients.reader.client_secret,
    }),
    miniflux: go('miniflux.app', {
      LISTEN_ADDR: `127.0.0.1:${ports.miniflux}`, BASE_URL: 'https://miniflux.site.test/', DATABASE_URL: `host=${socket} user=postgres dbname=miniflux sslmode=disable`, RUN_MIGRATIONS: '1',
      OAUTH2_PROVIDER: 'oidc', OAUTH2_CLIENT_ID: clients.miniflux.client_id, OAUTH2_CLIENT_SECRET: clients.miniflux.client_secret,
      OAUTH2_REDIRECT_URL: 'https://miniflux.site.test/oauth2/oidc/callback', OAUTH2_OIDC_DISCOVERY_ENDPOINT: issuer, OAUTH2_OIDC_PROVIDER_NAME: 'Homebase',
      OAUTH2_USER_CREATION: '1', OAUTH2_ADDITIONAL_SCOPES: 'groups', OAUTH2_GROUP_CLAIM: 'groups', OAUTH2_ADMIN_GROUP: 'admin', DISABLE_LOCAL_AUTH: '1',
    }),
  }
  const logs = { apache: '', reader: '', miniflux: '' }
  for (const [name, child] of Object.entries(children)) {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => { logs[name] += text })
  }
  const stop = async () => {
    house.close()
    for (const child of Object.values(children)) {
      if (child.exitCode === null && child.kill()) await once(child, 'exit')
    }
  }
  for (const name of names) {
    for (let i = 0; !(await fetch(`http://127.0.0.1:${ports[name]}/`, { redirect: 'manual' }).catch(() => ({}))).status; i++) {
      if (i === 600 || children[name].exitCode !== null) {
        await stop()
        throw new Error(`${name} did not start: ${logs[name]}`)
      }
      await sleep(100)
    }
  }
  return { logs, stop }
}
