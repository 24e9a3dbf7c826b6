package crash

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// replicas are two PostgreSQL servers, of which Patroni makes one the primary
// and the other its synchronous standby. What Patroni knows is in an etcd of
// three members: one beside each PostgreSQL, and one that only votes. It uses
// the second version of etcd's interface: with the third, Patroni before 3.0.3
// lets an old primary that was away take the lease of the new one, and what
// that one has acknowledged is lost. ABLATE=etcd3 shows it.
type replicas struct {
	r     *rig
	nodes [2]*host
	vote  *host
	etcd  [3]*exec.Cmd
	agent [2]*exec.Cmd // Patroni
}

// The lease of the primary, how often Patroni looks, and how long it tries.
const patroniTimes = "ttl: 20, loop_wait: 2, retry_timeout: 5"

// startReplicas starts all of it; the first node has the prepared machine's rows.
func startReplicas(r *rig, nodes [2]*host, vote *host) *replicas {
	r.t.Helper()
	p := &replicas{r: r, nodes: nodes, vote: vote}
	must(r.t, os.Chown(r.disk, int(r.login.Uid), int(r.login.Gid))) // Patroni makes its folders there
	p.startEtcd()
	p.startAgent(0)
	await(r.t, "Patroni has made a primary", func() bool { return p.primary() == 0 })
	p.startAgent(1)
	await(r.t, "there is a synchronous standby", p.whole)
	return p
}

func (p *replicas) startEtcd() {
	p.r.t.Helper()
	members := []*host{p.nodes[0], p.nodes[1], p.vote}
	var all []string
	for _, h := range members {
		all = append(all, fmt.Sprintf("%s=http://%s:2380", h.name, h.address))
	}
	for i, h := range members {
		peer, client := fmt.Sprintf("http://%s:2380", h.address), fmt.Sprintf("http://%s:2379", h.address)
		p.etcd[i] = h.command("etcd", "--name", h.name, "--data-dir", p.r.dir+"/etcd-"+h.name, "--log-level", "error", "--enable-v2",
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--listen-client-urls", client, "--advertise-client-urls", client,
			"--initial-cluster", strings.Join(all, ","), "--initial-cluster-state", "new")
		p.r.begin(p.etcd[i], "etcd-"+h.name)
	}
}

// startAgent starts Patroni, which starts PostgreSQL, and copies it from the
// other node where there is none yet.
func (p *replicas) startAgent(i int) {
	p.r.t.Helper()
	h := p.nodes[i]
	api := "etcd"
	if os.Getenv("ABLATE") == "etcd3" {
		api = "etcd3"
	}
	config := fmt.Sprintf(`
scope: homebase
name: %[1]s
restapi: {listen: "%[2]s:8008", connect_address: "%[2]s:8008"}
%[10]s: {hosts: ["%[3]s:2379", "%[4]s:2379", "%[5]s:2379"]}
bootstrap:
  dcs:
    %[9]s
    synchronous_mode: true
    primary_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: {max_connections: 150, wal_keep_size: 256MB, max_wal_size: 256MB, wal_sender_timeout: 5s, wal_receiver_timeout: 5s}
postgresql:
  listen: "%[2]s:5432"
  connect_address: "%[2]s:5432"
  data_dir: %[6]s
  bin_dir: %[7]s
  pgpass: %[8]s/socket-%[1]s/pgpass
  use_unix_socket: true
  authentication:
    superuser: {username: homebase}
    replication: {username: homebase}
    rewind: {username: homebase}
  parameters:
    unix_socket_directories: %[8]s/socket-%[1]s
    shared_buffers: 32MB
    commit_delay: 3000
    commit_siblings: 0
    log_min_messages: warning
  pg_hba: ["local all all trust", "host all all 10.77.0.0/24 trust", "host replication all 10.77.0.0/24 trust"]
`, h.name, h.address, p.nodes[0].address, p.nodes[1].address, p.vote.address, p.r.home(i), p.programs(i), p.r.dir, strings.ReplaceAll(patroniTimes, ", ", "\n    "), api)
	name := fmt.Sprintf("%s/%s.yml", p.r.dir, h.name)
	must(p.r.t, os.WriteFile(name, []byte(config), 0o644))
	p.r.folder(fmt.Sprintf("%s/socket-%s", p.r.dir, h.name))
	p.agent[i] = h.command("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "patroni", name)
	p.agent[i].Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "HOME=/"}
	p.r.begin(p.agent[i], "patroni-"+h.name)
}

// programs are PostgreSQL's, with a postgres that takes the time from a file.
func (p *replicas) programs(i int) string {
	p.r.t.Helper()
	dir := fmt.Sprintf("%s/bin-%s", p.r.dir, p.nodes[i].name)
	must(p.r.t, os.Mkdir(dir, 0o755))
	real, err := filepath.Glob(p.r.bin + "/*")
	must(p.r.t, err)
	for _, program := range real {
		if filepath.Base(program) != "postgres" {
			must(p.r.t, os.Symlink(program, filepath.Join(dir, filepath.Base(program))))
		}
	}
	script := fmt.Sprintf(`#!/bin/sh
if [ -s %[1]s/ahead ]; then
  for library in /usr/lib/*/faketime/libfaketimeMT.so.1; do
    export FAKETIME="$(cat %[1]s/ahead)" FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD="$library"
  done
fi
exec %[2]s/postgres "$@"
`, dir, p.r.bin)
	must(p.r.t, os.WriteFile(dir+"/postgres", []byte(script), 0o755))
	return dir
}

// ask asks one node, with little patience.
func (p *replicas) ask(i int, sql string, into any, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://homebase@%s:5432/postgres?sslmode=disable", p.nodes[i].address))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.QueryRow(ctx, sql, args...).Scan(into)
}

// primary is the node that takes writes, -1 when none or both seem to.
func (p *replicas) primary() int {
	found := -1
	for i := range p.nodes {
		var standby bool
		if p.ask(i, "SELECT pg_is_in_recovery()", &standby) == nil && !standby {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// leader waits for a primary: on a busy machine it may not answer at once.
func (p *replicas) leader() (i int) {
	p.r.t.Helper()
	await(p.r.t, "there is a primary", func() bool { i = p.primary(); return i >= 0 })
	return i
}

// whole reports whether there is a primary with a synchronous standby, which
// Patroni would promote: it notes that a moment after PostgreSQL has one.
func (p *replicas) whole() bool {
	var n int
	i := p.primary()
	return i >= 0 && p.ask(i, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", &n) == nil && n == 1 && p.noted(1-i)
}

func (p *replicas) noted(standby int) bool {
	res, err := probe.Get("http://" + p.nodes[standby].address + ":8008/sync")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// postmaster is the process id of a node's PostgreSQL, 0 when it does not run.
func (p *replicas) postmaster(i int) int {
	text, _ := os.ReadFile(p.r.home(i) + "/postmaster.pid")
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

// freeze stops a node's PostgreSQL, and all else there if it is to be the whole
// machine. The function that it gives lets them go on.
func (p *replicas) freeze(i int, machine bool) (thaw func()) {
	p.r.t.Helper()
	var pids []int
	if machine {
		pids = append(pids, p.agent[i].Process.Pid, p.etcd[i].Process.Pid)
	}
	if master := p.postmaster(i); master != 0 {
		syscall.Kill(master, syscall.SIGSTOP) // it starts none after that
		pids = append(append(pids, master), children(master)...)
	}
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	return func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	}
}

// stop ends everything, whatever state it is in.
func (p *replicas) stop() {
	for _, agent := range p.agent {
		if agent != nil && agent.Process != nil {
			agent.Process.Kill()
			agent.Wait()
		}
	}
	for i := range p.nodes {
		if master := p.postmaster(i); master != 0 {
			pids := append(children(master), master)
			for _, pid := range pids {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	for _, etcd := range p.etcd {
		if etcd != nil && etcd.Process != nil {
			etcd.Process.Kill()
			etcd.Wait()
		}
	}
}

// begin starts a program beside the servers, with a log of its own.
func (r *rig) begin(cmd *exec.Cmd, name string) {
	r.t.Helper()
	log, err := os.OpenFile(filepath.Join(r.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(r.t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	must(r.t, cmd.Start())
}
