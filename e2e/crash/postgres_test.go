package crash

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
)

// find looks for PostgreSQL.
func (r *rig) find() {
	r.t.Helper()
	postgres, err := exec.LookPath("postgres")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
		if len(found) == 0 {
			r.t.Fatal("PostgreSQL is not installed")
		}
		postgres = found[len(found)-1]
	}
	postgres, err = filepath.EvalSymlinks(postgres)
	must(r.t, err)
	r.bin = filepath.Dir(postgres)
	if os.Geteuid() == 0 { // PostgreSQL refuses root
		u, err := user.Lookup("postgres")
		must(r.t, err)
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		r.login = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
}

// home is where the rows of a PostgreSQL lie.
func (r *rig) home(node int) string { return fmt.Sprintf("%s/pg%d", r.disk, node) }

func (r *rig) postgres(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(r.bin, name), args...)
	cmd.Dir, cmd.Env = "/", []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: r.login}
	return cmd
}

// databaseURL leads to the PostgreSQL that takes writes.
func (r *rig) databaseURL() string {
	if r.url != "" {
		return r.url
	}
	if r.ports[0] != 0 {
		return fmt.Sprintf("postgres://homebase@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write", r.ports[0], r.ports[1])
	}
	return "postgres://homebase@/postgres?host=" + r.dir + "/socket"
}

// startPostgres starts the one that takes writes.
func (r *rig) startPostgres() {
	r.t.Helper()
	r.pg = r.start(r.node, r.databaseURL())
}

// start starts a PostgreSQL with everything durable, and waits for its answer.
// Commits are held back for a moment before they are flushed, so that more of
// them are in flight when something is killed.
func (r *rig) start(node int, url string) *exec.Cmd {
	r.t.Helper()
	os.Remove(r.home(node) + "/postmaster.pid")
	addresses, port := "", 5432
	if r.ports[0] != 0 {
		addresses, port = "127.0.0.1", r.ports[node]
	}
	pg := r.postgres("postgres", "-D", r.home(node), "-c", "unix_socket_directories="+r.dir+"/socket",
		"-c", "listen_addresses="+addresses, "-c", fmt.Sprintf("port=%d", port),
		"-c", "shared_buffers=32MB", "-c", "max_wal_size=64MB", "-c", "log_min_messages=fatal", "-c", "commit_delay=3000", "-c", "commit_siblings=0",
		"-c", "max_connections=150")
	log, err := os.OpenFile(r.dir+"/postgres.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(r.t, err)
	defer log.Close()
	pg.Stdout, pg.Stderr = log, log
	must(r.t, pg.Start())
	await(r.t, "PostgreSQL answers", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return false
		}
		return conn.Close(ctx) == nil
	})
	return pg
}

func (r *rig) killPostgres() {
	killTree(r.pg)
	r.pg = nil
	r.forget()
}

// killTree kills a postmaster and all its children at once.
func killTree(pg *exec.Cmd) {
	if pg == nil || pg.Process == nil {
		return
	}
	// Once it stands still it forks none that would live on.
	syscall.Kill(pg.Process.Pid, syscall.SIGSTOP)
	for !stopped(pg.Process.Pid) && !gone(pg.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	left := children(pg.Process.Pid)
	for _, pid := range append(left, pg.Process.Pid) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	pg.Wait()
	for _, pid := range left { // they are init's now
		for syscall.Kill(pid, 0) == nil && !gone(pid) {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func children(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(b, []byte(") Z "))
}

func (r *rig) mount() {
	r.t.Helper()
	// Nothing but a flush takes anything to the disk: ext4 would write its
	// journal by itself every five seconds. XFS has thirty, and no such option.
	options := map[string]string{"ext4": "loop,commit=300", "xfs": "loop"}[r.filesystem()]
	r.run("mount", "-o", options, r.image, r.disk)
	must(r.t, os.Chmod(r.disk, 0o711))
}

// filesystem is that of the disk whose power is cut.
func (r *rig) filesystem() string {
	r.t.Helper()
	kind := cmp.Or(os.Getenv("CRASH_FS"), "ext4")
	if kind != "ext4" && kind != "xfs" {
		r.t.Fatalf("FS is ext4 or xfs, not %q", kind)
	}
	return kind
}

// cutPower shuts the file system down without flushing its journal, kills
// everything, and mounts what a machine would find after the cut.
func (r *rig) cutPower() {
	r.t.Helper()
	disk, err := os.Open(r.disk)
	must(r.t, err)
	const shutdown, noLogFlush = 0x8004587d, 2
	flag := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, disk.Fd(), shutdown, uintptr(unsafe.Pointer(&flag)))
	disk.Close()
	if errno != 0 {
		r.t.Fatalf("shut the file system down: %v", errno)
	}
	for _, s := range r.servers {
		s.kill()
	}
	r.killPostgres()
	await(r.t, "the disk can be unmounted", func() bool { return syscall.Unmount(r.disk, 0) == nil })
	// A namespace with a copy of the mount would keep it as it is, shut down.
	await(r.t, "the disk is unmounted everywhere", func() bool {
		held, err := exec.Command("losetup", "--associated", r.image).Output()
		return err == nil && len(held) == 0
	})
	r.seen = nil // nothing that was read before is still known
	r.mount()
	r.startPostgres()
}

// holdBackends stops what PostgreSQL does for a server, as a slow disk would:
// what was sent to it is carried out when the server is long dead. The function
// that it returns lets it go on.
func (r *rig) holdBackends(i int) (release func()) {
	r.t.Helper()
	var pids []int
	r.ask(func(conn *pgx.Conn) error {
		rows, err := conn.Query(r.t.Context(), "SELECT pid FROM pg_stat_activity WHERE application_name = $1", fmt.Sprint("server", i))
		if err == nil {
			pids, err = pgx.CollectRows(rows, pgx.RowTo[int])
		}
		return err
	})
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	return func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	}
}

// ask uses the test's own connection, and a new one where that was lost.
func (r *rig) ask(question func(conn *pgx.Conn) error) {
	r.t.Helper()
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.conn != nil && !r.conn.IsClosed() {
		if question(r.conn) == nil {
			return
		}
		r.conn.Close(context.Background())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	r.conn, err = pgx.Connect(ctx, r.databaseURL())
	must(r.t, err)
	must(r.t, question(r.conn))
}

// forget gives the test's own connection up.
func (r *rig) forget() {
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.conn.Close(ctx)
		r.conn = nil
	}
}

// count asks the database for a number.
func (r *rig) count(sql string, args ...any) (n int) {
	r.t.Helper()
	r.ask(func(conn *pgx.Conn) error { return conn.QueryRow(context.Background(), sql, args...).Scan(&n) })
	return n
}
