//go:build failpoint

package disk

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// FAILPOINT=name or name:n kills the process, as kill -9 would, at the n-th
// time that it passes the place of that name; name:n:stop stops it there
// instead, until it gets SIGCONT. name:n:fail lets what is tried there fail, and
// name:n:full by want of room.
var failpointName, failpointLeft, failpointSignal = func() (string, *atomic.Int64, syscall.Signal) {
	name, times, _ := strings.Cut(os.Getenv("FAILPOINT"), ":")
	times, how, _ := strings.Cut(times, ":")
	signal := syscall.SIGKILL
	switch how {
	case "stop":
		signal = syscall.SIGSTOP
	case "fail", "full":
		signal = 0
		if failpointError = syscall.EIO; how == "full" {
			failpointError = syscall.ENOSPC
		}
	}
	left := new(atomic.Int64)
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil {
		n = 1
	}
	left.Store(n)
	return name, left, signal
}()

var failpointError syscall.Errno

// Failpoint kills or stops the process at the place that FAILPOINT names.
func Failpoint(name string) {
	if name == failpointName && failpointSignal != 0 && failpointLeft.Add(-1) == 0 {
		syscall.Kill(os.Getpid(), failpointSignal)
		if failpointSignal == syscall.SIGKILL {
			select {}
		}
		time.Sleep(100 * time.Millisecond) // a stop may reach this thread a moment later than others
	}
}

// Fails is a flush that fails at the place and time that FAILPOINT names.
func (d *Dir) Fails(name string) error {
	if name == failpointName && failpointSignal == 0 && failpointLeft.Add(-1) == 0 {
		return d.synced(failpointError)
	}
	return nil
}

// ABLATE takes one part of the protocol out: "guard", the revision that a
// redo looks at; "fence", which a late commit of a dead worker waits at;
// "order", reading what is pending after the owner's lock; "fsync"; or "flush",
// the fsync of the folders that a change renamed in. With "noreplace" the file
// system is one that has no RENAME_NOREPLACE, and everything must hold.
var ablated = os.Getenv("ABLATE")

// Without reports whether ABLATE names that part.
func Without(part string) bool { return part == ablated }
