package httpx

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Listen listens on "host:port" or "unix:/path". If systemd has passed a socket
// (sd_listen_fds), that one is used and addr is ignored. A unix socket is for its
// owner and group; a socket file left behind by a dead server is replaced, one on
// which a server answers is not.
func Listen(addr string) (net.Listener, error) {
	if ln, err := activated(); ln != nil || err != nil {
		return ln, err
	}
	path, unix := strings.CutPrefix(addr, "unix:")
	if !unix {
		return net.Listen("tcp", addr)
	}
	if err := removeDead(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// Until now only the owner could connect: the usual umask keeps the group
	// from writing.
	if err := os.Chmod(path, 0o660); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// removeDead removes a socket on which nobody answers.
func removeDead(path string) error {
	if info, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	} else if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen on %s: a file is there that is not a socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("listen on %s: a server is already answering there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// activated is the socket that systemd has opened for this process, nil if there
// is none.
func activated() (net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) || count == "" {
		return nil, nil
	}
	// A child process must not think that the socket is meant for it.
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if count != "1" {
		return nil, fmt.Errorf("systemd passed %s sockets; configure one", count)
	}
	const first = 3 // SD_LISTEN_FDS_START
	f := os.NewFile(first, "systemd")
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("the socket that systemd passed: %w", err)
	}
	return ln, nil
}

// notify reports a state to systemd (sd_notify) if it asked for reports. It is a
// courtesy: a failure is ignored.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(state))
}

// mostConnections is half of what the process may open: the rest is for files
// and the database.
func mostConnections() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 512
	}
	return min(max(limit.Cur/2, 16), 1<<16)
}
