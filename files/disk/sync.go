package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Sync is fsync.
func (d *Dir) Sync(f *os.File) error {
	if Without("fsync") {
		return nil
	}
	return d.synced(bare(d.kernel.Sync(f)))
}

// SyncData is fdatasync.
func (d *Dir) SyncData(f *os.File) error {
	if Without("fsync") {
		return nil
	}
	err := syscall.Fdatasync(int(f.Fd()))
	for err == syscall.EINTR {
		err = syscall.Fdatasync(int(f.Fd()))
	}
	return d.synced(errors.Join(os.NewSyscallError("fdatasync", err), d.Fails("data")))
}

// SyncAll makes all of the file system durable: bytes, names and attributes. For
// many files it costs one flush instead of one for each. Before Linux 5.8 it
// does not tell of bytes that could not be written.
func (d *Dir) SyncAll() error {
	_, _, errno := syscall.Syscall(sysSyncfs, d.self.Fd(), 0, 0)
	if errno != 0 {
		return d.synced(os.NewSyscallError("syncfs", errno))
	}
	return nil
}

// SyncFolder makes the names in a folder durable.
func (d *Dir) SyncFolder(p string) error {
	f, err := d.Folder(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.Sync(f)
}

// Fault is the first flush that failed since the directory was opened: what was
// written before may never reach the disk, whatever later flushes say. Only
// a new process that opens the directory trusts it again.
func (d *Dir) Fault() error {
	if fault := d.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// synced notes a failed flush. One that found no room concerns what it was for
// and nothing else: whoever flushed must drop those bytes, and may send them again.
func (d *Dir) synced(err error) error {
	if err != nil && !Full(err) {
		d.fault.CompareAndSwap(nil, new(fmt.Errorf("fsync failed: %w", err)))
	}
	return err
}
