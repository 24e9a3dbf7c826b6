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
	{"nothing", 5 * time.Second, func(m *machines) func() { return nil }},

	{"proxy to worker cut", 8 * time.Second, links(func(m *machines) { cut(m.t, m.proxy, m.workers[0]) })},
	{"worker to proxy cut", 8 * time.Second, links(func(m *machines) { cut(m.t, m.workers[0], m.proxy) })},
	{"worker to primary cut", 15 * time.Second, links(func(m *machines) { cut(m.t, m.workers[0], m.primary()) })},
	{"primary to worker cut", 15 * time.Second, links(func(m *machines) { cut(m.t, m.primary(), m.workers[0]) })},
	{"both workers to primary cut", 10 * time.Second, links(func(m *machines) {
		cut(m.t, m.workers[0], m.primary())
		cut(m.t, m.workers[1], m.primary())
	})},
	{"primary to standby cut", 20 * time.Second, links(func(m *machines) { cut(m.t, m.primary(), m.standby()) })},
	{"standby to primary cut", 20 * time.Second, links(func(m *machines) { cut(m.t, m.standby(), m.primary()) })},
	{"primary cut from all but the workers", 35 * time.Second, links(func(m *machines) {
		p := m.primary()
		for _, other := range []*host{m.standby(), m.storage} {
			cut(m.t, p, other)
			cut(m.t, other, p)
		}
	})},

	{"worker unplugged", 10 * time.Second, links(func(m *machines) { unplug(m.t, m.workers[0]) })},
	{"standby unplugged", 20 * time.Second, links(func(m *machines) { unplug(m.t, m.standby()) })},
	{"primary unplugged", 35 * time.Second, links(func(m *machines) { unplug(m.t, m.primary()) })},

	{"worker to storage cut", 20 * time.Second, links(func(m *machines) { cut(m.t, m.workers[0], m.storage) })},
	{"storage to worker cut", 20 * time.Second, links(func(m *machines) { cut(m.t, m.storage, m.workers[0]) })},
	{"storage unplugged", 20 * time.Second, links(func(m *machines) { unplug(m.t, m.storage) })},

	{"worker at 256 kbit/s", 10 * time.Second, links(func(m *machines) { throttle(m.t, m.workers[0], "256kbit") })},
	{"standby at 256 kbit/s", 10 * time.Second, links(func(m *machines) { throttle(m.t, m.standby(), "256kbit") })},

	{"worker frozen", 15 * time.Second, func(m *machines) func() {
		p := m.servers[0].Process
		p.Signal(syscall.SIGSTOP)
		return func() { p.Signal(syscall.SIGCONT) }
	}},
	{"primary's PostgreSQL frozen", 35 * time.Second, func(m *machines) func() {
		return m.replicas.freeze(m.replicas.primary(), false)
	}},
	{"primary's machine frozen", 35 * time.Second, func(m *machines) func() {
		return m.replicas.freeze(m.replicas.primary(), true)
	}},

	{"primary killed, the next a minute ahead", 10 * time.Second, func(m *machines) func() {
		next := 1 - m.replicas.primary()
		m.replicas.setClock(next, "+60s")
		m.replicas.kill(next)
		m.replicas.await(next, time.Minute)
		return m.replicas.killPrimary()
	}},
	{"primary killed, the next a minute behind", 10 * time.Second, func(m *machines) func() {
		m.replicas.setClock(m.replicas.primary(), "")
		return m.replicas.killPrimary()
	}},
}

// links is a fault of the network, which is mended like all of them.
func links(begin func(m *machines)) func(m *machines) func() {
	return func(m *machines) func() {
		begin(m)
		return nil
	}
}

func (m *machines) primary() *host { return m.nodes[m.replicas.primary()] }
func (m *machines) standby() *host { return m.nodes[1-m.replicas.primary()] }

// kill kills a node's PostgreSQL at once. Patroni starts it again, or lets the
// other take over.
func (p *replicas) kill(i int) {
	p.r.t.Helper()
	master := p.postmaster(i)
	syscall.Kill(master, syscall.SIGSTOP) // it starts none after that
	for _, pid := range append(children(master), master) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killPrimary kills the primary's; the function that it gives waits for the
// other to have taken over.
func (p *replicas) killPrimary() (taken func()) {
	p.r.t.Helper()
	i := p.primary()
	p.kill(i)
	return func() {
		await(p.r.t, "the other one has taken over", func() bool { return p.primary() == 1-i })
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
