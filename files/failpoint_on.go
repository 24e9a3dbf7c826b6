//go:build failpoint

package files

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// FAILPOINT=name or name:n kills the process, as kill -9 would, at the n-th
// time that it passes the place of that name.
var failpointName, failpointLeft = func() (string, *atomic.Int64) {
	name, times, _ := strings.Cut(os.Getenv("FAILPOINT"), ":")
	left := new(atomic.Int64)
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil {
		n = 1
	}
	left.Store(n)
	return name, left
}()

func failpoint(name string) {
	if name == failpointName && failpointLeft.Add(-1) == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
