package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// machines are hosts of their own: nginx, two servers, two PostgreSQL with
// Patroni, and one for the data directory. The clients are at the switch
// between them, and work through nginx as in the other tests; a few more show
// when each server and the whole acknowledge writes.
//
//	make machines                        all faults, and the table in docs/scaling.md
//	make machines RUN=frozen             some of them
//	make machines ABLATE=etcd3 RUN=…     what Patroni 3.0.2 loses; it has to fail
//	make machines ABLATE=cache RUN=…     with GlusterFS as it comes; the same
type machines struct {
	*rig
	proxy, storage *host
	workers, nodes [2]*host
	replicas       *replicas
	nginx          *exec.Cmd
	accounts       []*account
	crowd          *crowd
	shadow         *shadow
	lights         []*account   // the owners of the beacons
	through        *server      // the proxy
	launched       [2]time.Time // when a server was started anew
	cycle          int
}

func (m *machines) all() []*host {
	return []*host{m.proxy, m.storage, m.workers[0], m.workers[1], m.nodes[0], m.nodes[1]}
}

// assemble brings all of them up.
func assemble(t testing.TB) *machines {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("machines need root")
	}
	m := &machines{
		proxy:   &host{name: "proxy", address: "10.77.0.2"},
		workers: [2]*host{{name: "worker1", address: "10.77.0.11"}, {name: "worker2", address: "10.77.0.12"}},
		nodes:   [2]*host{{name: "db1", address: "10.77.0.21"}, {name: "db2", address: "10.77.0.22"}},
		storage: &host{name: "storage", address: "10.77.0.31"},
	}
	connect(t, m.all()...)
	m.rig = newRig(t, "machines")
	m.door = "http://" + m.proxy.address + "/api/v1"
	m.url = fmt.Sprintf("postgres://homebase@%s:5432,%s:5432/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=2", m.nodes[0].address, m.nodes[1].address)
	m.through = &server{name: "server0", url: m.door}
	for _, w := range m.workers {
		w.let(t)
		w.environment = []string{"HOMEBASE_TRUSTED_PROXIES=10.77.0.0/24"}
	}
	m.hosts = m.workers
	startVolume(m)
	m.replicas = startReplicas(m.rig, m.nodes, m.storage)
	t.Cleanup(m.replicas.stop)
	m.startProxy()
	m.bringUp()
	m.accounts = m.rig.accounts(4, 1)
	m.crowd = m.gather(m.someone(8))
	for _, user := range []int{4, 5, 6, 10} {
		m.lights = append(m.lights, m.someone(user))
	}
	m.shadow = &shadow{owner: m.someone(11), door: m.through}
	return m
}

func (m *machines) someone(user int) *account {
	a := &account{email: email(user), answers: &m.answers}
	m.signIn(a)
	return a
}

// startProxy starts nginx with what the deployment's own file asks of it, and
// what docs/scaling.md adds for several workers.
func (m *machines) startProxy() {
	m.t.Helper()
	dir := m.dir + "/nginx"
	must(m.t, os.Mkdir(dir, 0o755))
	deployed, err := filepath.Abs("../../deploy/nginx-proxy-manager.conf")
	must(m.t, err)
	config := fmt.Sprintf(`
daemon off; user root; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 4000; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream homebase { server %[2]s:8080 max_fails=1 fail_timeout=5s; server %[3]s:8080 max_fails=1 fail_timeout=5s; }
  server {
    listen %[4]s:80;
    include %[5]s;
    proxy_connect_timeout 2s;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    location / { proxy_pass http://homebase; }
  }
}`, dir, m.workers[0].address, m.workers[1].address, m.proxy.address, deployed)
	must(m.t, os.WriteFile(dir+"/conf", []byte(config), 0o644))
	m.nginx = m.proxy.command("nginx", "-e", dir+"/error.log", "-p", dir, "-c", dir+"/conf")
	m.begin(m.nginx, "nginx")
	m.t.Cleanup(func() { m.nginx.Process.Kill(); m.nginx.Wait() })
}

// fault is something that happens to the machines under load and is over again
// after a while.
type fault struct {
	name  string
	lasts time.Duration
	ready func(m *machines)              // what has to be so before, under load already; may be nil
	begin func(m *machines) (end func()) // end may be nil: cut links are mended anyway
}

// The longest that anybody waits after a fault for everything to work again.
const recovery = 60 * time.Second

// outcome is what one fault came to.
type outcome struct {
	fault
	first    time.Duration    // from its beginning to the first write that was sent since then and acknowledged; -1: none was
	silence  time.Duration    // the longest time without an acknowledged write
	serve    [2]time.Duration // from its beginning to the time from which a server answered everything; 0: it always did; -1: it never did again
	stale    time.Duration    // the longest that a server gave what had been replaced
	answers  [2]int64         // acknowledged, and without an answer
	refused  map[string]int   // what the servers answered instead
	restarts int              // of servers that did not get ready by themselves
	findings []string
}

// suffer lets a fault happen under load, and looks at what is left.
func (m *machines) suffer(f fault, seed uint64) (o outcome) {
	m.t.Helper()
	m.cycle++
	o.fault, o.refused = f, map[string]int{}
	before := [2]int64{m.answers.acknowledged.Load(), m.answers.unknown.Load()}
	ctx, stop := context.WithCancel(m.t.Context())
	defer stop()
	var working sync.WaitGroup
	direct := [2]*server{{name: "server0", url: m.servers[0].own}, {name: "server1", url: m.servers[1].own}}
	var beacons []*beacon
	for i, owner := range m.lights {
		m.signIn(owner)
		b := &beacon{owner: owner, at: append([]*server{m.through, m.through}, direct[:]...)[i], folder: fmt.Sprintf("/fault%d", m.cycle)}
		b.id = m.makeFolder(owner, b.folder)
		beacons = append(beacons, b)
		working.Go(func() { b.shine(ctx) })
	}
	m.signIn(m.shadow.owner)
	m.shadow.puts, m.shadow.seen = nil, [2][]numbered{}
	working.Go(func() { m.shadow.put(ctx) })
	for i := range direct {
		working.Go(func() { m.shadow.read(ctx, i, direct[i]) })
	}
	p := newPlan(seed, m.cycle, "machines")
	p.lanes, p.on, p.mixed, p.linger, p.points = 8, [2]bool{true, true}, true, 0, [2]string{}
	var began, whole time.Time
	m.blow = func() {
		if f.ready != nil {
			f.ready(m)
		}
		began = time.Now()
		end := f.begin(m)
		time.Sleep(f.lasts)
		if end != nil {
			end()
		}
		mend(m.t, m.all()...)
		healed := time.Now()
		well := func(b *beacon) bool { last := b.last(); return last.acknowledged && last.begun.After(healed) }
		for time.Since(healed) < recovery && !(well(beacons[0]) && well(beacons[1]) && well(beacons[2]) && well(beacons[3])) {
			time.Sleep(20 * time.Millisecond)
			o.restarts += m.supervise(time.Since(healed) > 20*time.Second)
		}
		whole = time.Now()
		time.Sleep(2 * time.Second)
	}
	m.prepare(p, m.accounts, m.crowd)
	o.findings = m.load(p, m.accounts, m.crowd)
	stop()
	working.Wait()
	o.measure(began, whole, beacons)
	o.stale = m.shadow.stale()
	await(m.t, "there is a primary with a standby again", m.replicas.whole)
	m.forget()
	o.restarts += m.revive()
	m.rejoin(m.accounts)
	o.findings = append(o.findings, m.check(m.accounts, m.crowd, m.cycle%5 == 0)...)
	for _, b := range beacons {
		o.findings = append(o.findings, b.settle(m.seen)...)
		m.discard(b)
	}
	o.answers = [2]int64{m.answers.acknowledged.Load() - before[0], m.answers.unknown.Load() - before[1]}
	return o
}

// measure takes the times from the beacons: two went through the proxy, and one
// to each server. What they sent after all was whole again says no more.
func (o *outcome) measure(began, whole time.Time, beacons []*beacon) {
	var acknowledged []time.Time
	o.first = -1
	for _, b := range beacons[:2] {
		for _, s := range b.sent {
			if !s.acknowledged || s.ended.Before(began) {
				continue
			}
			acknowledged = append(acknowledged, s.ended)
			if since := s.ended.Sub(began); s.begun.After(began) && (o.first < 0 || since < o.first) {
				o.first = since
			}
		}
	}
	slices.SortFunc(acknowledged, time.Time.Compare)
	at := began
	for _, next := range acknowledged {
		o.silence, at = max(o.silence, next.Sub(at)), next
	}
	o.silence = max(o.silence, whole.Sub(at))
	for i, b := range beacons[2:] {
		failed := false
		for _, s := range b.sent {
			switch {
			case s.ended.Before(began), s.begun.After(whole):
			case !s.acknowledged:
				failed = true
				o.serve[i] = -1
				o.refused[s.answer]++
			case failed:
				failed = false
				o.serve[i] = s.ended.Sub(began)
			}
		}
	}
}

// supervise starts servers anew that have ended, as systemd does; with unready
// also those that have not been ready for twenty seconds, as it does when it is
// told to. It counts them.
func (m *machines) supervise(unready bool) (restarts int) {
	m.t.Helper()
	for i, s := range m.servers {
		pause := 20 * time.Second
		if !s.running() {
			pause = time.Second // deploy/homebase.service
		} else if !unready {
			continue
		}
		if time.Since(m.launched[i]) > pause && !s.ready() {
			m.t.Logf("%s is not ready and is started anew", s.name)
			s.kill()
			m.launch(i, "")
			m.launched[i] = time.Now()
			restarts++
		}
	}
	return restarts
}

// revive waits until both servers write. One whose lock was lost with the
// storage may be declared dead long after that.
func (m *machines) revive() (restarts int) {
	m.t.Helper()
	await(m.t, "both servers write", func() bool {
		restarts += m.supervise(true)
		for i, s := range m.servers {
			owner := m.lights[2+i]
			m.signIn(owner)
			status, _, _ := owner.ask(m.t.Context(), &server{name: s.name, url: s.own}, "PUT", "/files/content/documents/alive", []byte("yes"), nil)
			if status != 200 && status != 201 {
				return false
			}
		}
		return true
	})
	return restarts
}

// discard removes what a beacon put.
func (m *machines) discard(b *beacon) {
	m.t.Helper()
	for _, path := range []string{"/files/items/", "/files/trash/"} {
		await(m.t, b.folder+" is removed", func() bool {
			m.signIn(b.owner)
			status, _, _ := b.owner.ask(m.t.Context(), m.servers[0], "DELETE", path+b.id, nil, nil)
			return status < 300 && status != 0 || status == 404
		})
	}
}

func (o outcome) String() string {
	return fmt.Sprintf("%s for %.0f s: first %.1f s, silence %.1f s, both serve %.1f and %.1f s, stale %.1f s, %d acknowledged, %d without an answer, %d findings; %v",
		o.name, o.lasts.Seconds(), o.first.Seconds(), o.silence.Seconds(), o.serve[0].Seconds(), o.serve[1].Seconds(), o.stale.Seconds(), o.answers[0], o.answers[1], len(o.findings), o.refused)
}

// BenchmarkMachines measures how long it takes until writes are acknowledged
// again, and looks each time what became of those that were.
func BenchmarkMachines(b *testing.B) {
	seed := seedOf(b)
	m := assemble(b)
	var all []outcome
	for _, f := range faults {
		b.Run(strings.ReplaceAll(f.name, " ", "_"), func(b *testing.B) {
			m.t = b
			if restarts := m.revive(); len(all) > 0 {
				all[len(all)-1].restarts += restarts
			}
			o := m.suffer(f, seed)
			b.Log(o)
			for _, finding := range o.findings[:min(8, len(o.findings))] {
				b.Error(finding)
			}
			all = append(all, o)
		})
	}
	m.t = b
	if page := os.Getenv("MACHINES_TABLE"); page != "" && !b.Failed() {
		must(b, writeOutcomes(page, all))
	}
}
