package disk

import (
	"errors"
	"os"
	"path"
	"strconv"
	"syscall"
)

func lockPath(id int32) string { return path.Join(Workers, strconv.Itoa(int(id))) }

// LockWorker takes the lock on a worker's file; false when someone holds it.
// The kernel gives the lock up when the process ends and at no other time, so
// whoever gets it knows that the worker is dead. Close the file to let go.
func (d *Dir) LockWorker(id int32) (*os.File, bool, error) {
	f, err := d.open(lockPath(id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	locked, err := d.kernel.Lock(f)
	if !locked {
		f.Close()
		return nil, false, err
	}
	return f, true, nil
}

// RemoveLock removes a worker's file; the caller holds its lock.
func (d *Dir) RemoveLock(id int32) error { return d.Remove(lockPath(id)) }

// Lock takes an exclusive flock on an open file without waiting; false when
// another open file holds it.
func Lock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}
