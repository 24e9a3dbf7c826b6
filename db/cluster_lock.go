package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const lockPoll = 25 * time.Millisecond

// takeLock opens the file and takes flock(2) on it, LOCK_EX or LOCK_SH. The
// lock lasts until the file is closed or the process ends; a child does not
// inherit it, because Go opens files close-on-exec. It polls, because a
// blocking flock cannot be given up when ctx ends.
func takeLock(ctx context.Context, path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f, how)
		// A lock on a file that was deleted meanwhile excludes nobody.
		if err == nil && locked && isAt(f, path) {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		if !sleep(ctx, lockPoll) {
			return nil, fmt.Errorf("lock %s: %w", path, context.Cause(ctx))
		}
	}
}

// tryLock takes or changes the lock at once, or reports false. After false
// the lock that was held before may be gone.
func tryLock(f *os.File, how int) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, fmt.Errorf("flock %s: %w", f.Name(), err)
		}
	}
}

func isAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(have, there)
}
