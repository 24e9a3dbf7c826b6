package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Processes are recognised by their command line in /proc, which anyone may
// read, and which a zombie does not have: a process id alone may be that of a
// stranger who came after a reboot.

const processPoll = 25 * time.Millisecond

// serverFile is what a running server wrote about itself in postmaster.pid.
// Zero values stand for a line that is not there, or not yet.
type serverFile struct {
	pid       int
	socketDir string
	ready     bool // it has opened its socket
}

func (p *place) serverFile() (f serverFile) {
	b, err := os.ReadFile(filepath.Join(p.dataDir, "postmaster.pid"))
	if err != nil {
		return f
	}
	lines := strings.Split(string(b), "\n")
	f.pid, _ = strconv.Atoi(lines[0]) // 0 while it is being written
	if len(lines) > 7 {
		f.socketDir, f.ready = lines[4], strings.TrimSpace(lines[7]) == "ready"
	}
	return f
}

func (p *place) postmaster() int { return p.serverFile().pid }

// alive reports whether the process is this cluster's postmaster.
func (p *place) alive(pid int) bool {
	return pid > 0 && bytes.Contains(commandLine(pid), []byte("\x00cluster_name="+p.clusterName+"\x00"))
}

// commandLine has each argument ended by NUL; nil for none.
func commandLine(pid int) []byte {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	return b
}

// processes are all that belong to this cluster, postmaster and backends.
func (p *place) processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The title of a backend is "postgres: <cluster name>: …".
		if p.alive(pid) || bytes.HasPrefix(commandLine(pid), []byte("postgres: "+p.clusterName+": ")) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// waitReady waits for a server that was found running: it may be starting,
// recovering, or stopping.
func (p *place) waitReady(ctx context.Context, pid int) (socketDir string, err error) {
	for p.alive(pid) {
		f := p.serverFile()
		if f.ready && !isSocket(f.socketDir) {
			return "", errors.New("its socket was deleted")
		}
		if f.socketDir != "" && answers(ctx, f.socketDir) == nil {
			return f.socketDir, nil
		}
		if !sleep(ctx, processPoll) {
			return "", context.Cause(ctx)
		}
	}
	return "", errors.New("it exited")
}

// waitAnswer waits for a server that was just launched.
func (p *place) waitAnswer(ctx context.Context, socketDir string, exited <-chan struct{}) error {
	for {
		err := answers(ctx, socketDir)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errors.New("postgres exited while starting")
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(processPoll):
		}
	}
}

func answers(ctx context.Context, socketDir string) error {
	conn, err := dialSocket(ctx, socketDir)
	if err != nil {
		return err
	}
	closeConn(conn)
	return nil
}

func isSocket(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ".s.PGSQL."+socketPort))
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

// stop ends the server and forgets its socket folder. The caller holds the
// start lock and knows that nobody uses the server.
func (p *place) stop(ctx context.Context) error {
	running := p.alive(p.postmaster())
	if err := p.shutDown(ctx); err != nil {
		return fmt.Errorf("stop the private PostgreSQL: %w", err)
	}
	if running {
		p.log.Info("the private PostgreSQL has stopped", "data", p.dataDir)
	}
	return p.removeSocketDir()
}

// shutDown asks for a fast shutdown, which ends transactions and writes a
// checkpoint, and then for an immediate one.
func (p *place) shutDown(ctx context.Context) error {
	pid := p.postmaster()
	if p.alive(pid) {
		if err := signal(pid, syscall.SIGINT); err != nil {
			return err
		}
		fast, cancel := context.WithTimeout(ctx, stopTimeout/2)
		defer cancel()
		for p.alive(pid) && sleep(fast, processPoll) {
		}
	}
	return p.clearRemains(ctx)
}

// clearRemains makes sure that no process works on the data folder and that
// no postmaster.pid is in a new server's way. Backends whose postmaster was
// killed end by themselves, unless they are computing; a new server must not
// start beside them.
func (p *place) clearRemains(ctx context.Context) error {
	for {
		pids, err := p.processes()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return p.removeStalePid()
		}
		for _, pid := range pids {
			if err := signal(pid, syscall.SIGQUIT); err != nil {
				return err
			}
		}
		if !sleep(ctx, processPoll) {
			return fmt.Errorf("processes %v of the private PostgreSQL do not end: %w", pids, context.Cause(ctx))
		}
	}
}

// removeStalePid deletes a postmaster.pid that names no PostgreSQL of this
// data folder: one that is dead, a zombie, or a stranger with its number.
func (p *place) removeStalePid() error {
	pid := p.postmaster()
	if pid > 0 && bytes.Contains(commandLine(pid), []byte(p.dataDir)) {
		return fmt.Errorf("the data folder %s is in use by a PostgreSQL that Homebase did not start, process %d: stop it", p.dataDir, pid)
	}
	err := os.Remove(filepath.Join(p.dataDir, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func signal(pid int, s syscall.Signal) error {
	err := syscall.Kill(pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
