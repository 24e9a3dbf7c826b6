package crash

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// faults are what happens to the machines, one after another. What needs the
// other PostgreSQL lasts longer than the lease of the primary.
var faults = []fault{
	{name: "nothing", lasts: 5 * time.Second, begin: func(m *machines) func() { return nil }},

	{name: "proxy to worker cut", lasts: 8 * time.Second, begin: links(func(m *machines) { cut(m.t, m.proxy, m.workers[0]) })},
	{name: "worker to proxy cut", lasts: 8 * time.Second, begin: links(func(m *machines) { cut(m.t, m.workers[0], m.proxy) })},
	{name: "worker to primary cut", lasts: 15 * time.Second, begin: links(func(m *machines) { cut(m.t, m.workers[0], m.primary()) })},
	{name: "primary to worker cut", lasts: 15 * time.Second, begin: links(func(m *machines) { cut(m.t, m.primary(), m.workers[0]) })},
	{name: "both workers to primary cut", lasts: 10 * time.Second, begin: links(func(m *machines) {
		cut(m.t, m.workers[0], m.primary())
		cut(m.t, m.workers[1], m.primary())
	})},
	{name: "primary to standby cut", lasts: 20 * time.Second, begin: links(func(m *machines) { cut(m.t, m.primary(), m.standby()) })},
	{name: "standby to primary cut", lasts: 20 * time.Second, begin: links(func(m *machines) { cut(m.t, m.standby(), m.primary()) })},
	{name: "primary cut from all but the workers", lasts: 35 * time.Second, begin: links(func(m *machines) {
		p := m.primary()
		for _, other := range []*host{m.standby(), m.storage} {
			cut(m.t, p, other)
			cut(m.t, other, p)
		}
	})},

	{name: "worker unplugged", lasts: 10 * time.Second, begin: links(func(m *machines) { unplug(m.t, m.workers[0]) })},
	{name: "standby unplugged", lasts: 20 * time.Second, begin: links(func(m *machines) { unplug(m.t, m.standby()) })},
	{name: "primary unplugged", lasts: 35 * time.Second, begin: links(func(m *machines) { unplug(m.t, m.primary()) })},

	{name: "worker to storage cut", lasts: 20 * time.Second, begin: links(func(m *machines) { cut(m.t, m.workers[0], m.storage) })},
	{name: "storage to worker cut", lasts: 20 * time.Second, begin: links(func(m *machines) { cut(m.t, m.storage, m.workers[0]) })},
	{name: "storage unplugged", lasts: 20 * time.Second, begin: links(func(m *machines) { unplug(m.t, m.storage) })},

	{name: "worker at 256 kbit/s", lasts: 10 * time.Second, begin: links(func(m *machines) { throttle(m.t, m.workers[0], "256kbit") })},
	{name: "standby at 256 kbit/s", lasts: 10 * time.Second, begin: links(func(m *machines) { throttle(m.t, m.standby(), "256kbit") })},

	{name: "worker frozen", lasts: 15 * time.Second, begin: func(m *machines) func() {
		p := m.servers[0].Process
		p.Signal(syscall.SIGSTOP)
		return func() { p.Signal(syscall.SIGCONT) }
	}},
	{name: "primary's PostgreSQL frozen", lasts: 35 * time.Second, begin: func(m *machines) func() {
		return m.replicas.freeze(m.replicas.leader(), false)
	}},
	{name: "primary's machine frozen", lasts: 35 * time.Second, begin: func(m *machines) func() {
		return m.replicas.freeze(m.replicas.leader(), true)
	}},

	{name: "primary killed, the next a minute ahead", lasts: 10 * time.Second, ready: func(m *machines) {
		next := 1 - m.replicas.leader()
		m.replicas.setClock(next, "+60s")
		m.replicas.kill(next)
		m.replicas.await(next, time.Minute)
	}, begin: func(m *machines) func() { return m.replicas.killPrimary() }},
	{name: "primary killed, the next a minute behind", lasts: 10 * time.Second, ready: func(m *machines) {
		m.replicas.setClock(m.replicas.leader(), "")
	}, begin: func(m *machines) func() { return m.replicas.killPrimary() }},
}

// links is a fault of the network, which is mended like all of them.
func links(begin func(m *machines)) func(m *machines) func() {
	return func(m *machines) func() {
		begin(m)
		return nil
	}
}

func (m *machines) primary() *host { return m.nodes[m.replicas.leader()] }
func (m *machines) standby() *host { return m.nodes[1-m.replicas.leader()] }

// kill kills a node's PostgreSQL at once. Patroni starts it again, or lets the
// other take over.
func (p *replicas) kill(i int) {
	p.r.t.Helper()
	master := p.postmaster(i)
	if master == 0 {
		p.r.t.Fatalf("no PostgreSQL runs on %s", p.nodes[i].name) // 0 would be this process and all of its own
	}
	syscall.Kill(master, syscall.SIGSTOP) // it starts none after that
	for _, pid := range append(children(master), master) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killPrimary kills the primary's; the function that it gives waits for the
// other to have taken over. Where that one did not answer in time Patroni starts
// the primary again, which is then killed once more.
func (p *replicas) killPrimary() (taken func()) {
	p.r.t.Helper()
	i := p.leader()
	p.kill(i)
	return func() {
		await(p.r.t, "the other one has taken over", func() bool {
			now := p.primary()
			if now == i && p.whole() {
				p.r.t.Log("the primary was started again")
				p.kill(i)
			}
			return now == 1-i
		})
	}
}

// setClock lets the time of a node's PostgreSQL differ by so much from its next
// start on. The servers, whose time cannot be set, keep the true one.
func (p *replicas) setClock(i int, ahead string) {
	p.r.t.Helper()
	must(p.r.t, os.WriteFile(fmt.Sprintf("%s/bin-%s/ahead", p.r.dir, p.nodes[i].name), []byte(ahead), 0o644))
}

// await waits for a synchronous standby whose clock differs by that much.
func (p *replicas) await(i int, ahead time.Duration) {
	p.r.t.Helper()
	await(p.r.t, "the standby has that time", func() bool {
		var now time.Time
		return p.ask(i, "SELECT clock_timestamp()", &now) == nil && (time.Until(now)-ahead).Abs() < 10*time.Second && p.whole()
	})
}
