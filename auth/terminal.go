package auth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"homebase/db"
)

// readPassword takes a password from the terminal, twice and without echo, or
// one line from standard input when fromStdin is set.
func readPassword(ctx context.Context, sh *db.Shell, fromStdin bool) (string, error) {
	if fromStdin {
		return readLine(bufio.NewReader(io.LimitReader(sh.Stdin, 64<<10)))
	}
	tty, _ := sh.Stdin.(*os.File)
	restore, err := echoOff(tty)
	if err != nil {
		return "", errors.New("standard input is not a terminal: give the password on it with --password-stdin")
	}
	defer restore()
	in := bufio.NewReader(tty)
	var said [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(sh.Stderr, prompt)
		said[i], err = readLineUntil(ctx, in)
		fmt.Fprintln(sh.Stderr)
		if err != nil {
			return "", err
		}
	}
	if said[0] != said[1] {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return said[0], nil
}

// readLine is the next line without its end; an end of input ends it too.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line == "" {
		return "", errors.New("no password was given")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// readLineUntil is readLine that gives up when ctx ends, so that Ctrl-C at the
// prompt puts the echo back. The reading goroutine is left to the process's
// end, which is near.
func readLineUntil(ctx context.Context, in *bufio.Reader) (string, error) {
	var line string
	var err error
	done := make(chan struct{})
	go func() {
		line, err = readLine(in)
		close(done)
	}()
	select {
	case <-done:
		return line, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// echoOff stops the terminal from showing what is typed until the returned
// function is called. What is no terminal, or no file at all, is an error.
func echoOff(f *os.File) (restore func(), err error) {
	var was syscall.Termios
	if err := termios(f, syscall.TCGETS, &was); err != nil {
		return nil, err
	}
	quiet := was
	quiet.Lflag &^= syscall.ECHO
	return func() { _ = termios(f, syscall.TCSETS, &was) }, termios(f, syscall.TCSETS, &quiet)
}

// termios reads the settings of a terminal into t, or sets them to t.
func termios(f *os.File, request uintptr, t *syscall.Termios) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(t)))
	if errno != 0 {
		return errno
	}
	return nil
}
