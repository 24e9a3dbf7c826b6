package httpx

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// ServeFile answers with an open file of that size in bytes, or with what Range asks
// for of it: http.ServeContent, with the bytes sent by the kernel. The file's own
// offset is left alone, so one open file serves several answers at a time. What else
// the request asks for has been judged, and the headers are set.
func ServeFile(w http.ResponseWriter, r *http.Request, file *os.File, size int64) {
	http.ServeContent(w, r, "", time.Time{}, &fileReader{io.NewSectionReader(file, 0, size), file})
}

// fileReader reads a file from an offset of its own.
type fileReader struct {
	*io.SectionReader
	file *os.File
}

// partOf is src if it is a part of a file, else nil.
func partOf(src io.Reader) *io.LimitedReader {
	if limited, ok := src.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*fileReader); ok {
			return limited
		}
	}
	return nil
}

// sendStep is how much of a file a slow client takes under one deadline.
const sendStep = 4 << 20

// A file or a part of one that is not larger costs less to copy than to hand to
// sendfile.
const smallFile = 16 << 10

var smallFiles = sync.Pool{New: func() any { return new([smallFile]byte) }}

// ReadFrom is what io.Copy calls. A part of a file, as ServeFile brings it in one
// io.LimitedReader, is sent by the kernel.
func (w *response) ReadFrom(src io.Reader) (n int64, err error) {
	w.WriteHeader(http.StatusOK)
	if !w.sends() {
		return 0, nil // nobody asks for the rest of src
	}
	inner, ok := w.ResponseWriter.(io.ReaderFrom)
	part := partOf(src)
	switch {
	case ok && part != nil && part.N <= smallFile:
		return w.copySmall(part)
	case ok && part != nil && w.conn.raw != nil && w.asked.Method == http.MethodGet:
		if n, err = w.sendFile(inner, part); err != errNoSendfile {
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{w}, src)
}

// sendFile hands a file on to the connection, behind the head of the answer.
func (w *response) sendFile(inner io.ReaderFrom, part *io.LimitedReader) (int64, error) {
	if w.conn.answer != nil {
		w.conn.moreFollows = true
		http.NewResponseController(w.ResponseWriter).Flush() // else net/http reads the file's first bytes to send them with the head
		w.conn.moreFollows = false
	}
	n, err := inner.ReadFrom(part)
	if err != errNoSendfile {
		w.sent += n
		w.broken = cmp.Or(w.broken, err)
	}
	return n, err
}

// copySmall reads a file to its end, or as much of it as src allows, and writes that.
func (w *response) copySmall(src *io.LimitedReader) (int64, error) {
	buf := smallFiles.Get().(*[smallFile]byte)
	defer smallFiles.Put(buf)
	n, err := io.ReadFull(src, buf[:src.N])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	n, err = w.Write(buf[:n])
	return int64(n), err
}

// errNoSendfile is the answer of a socket or a file system that cannot send files.
var errNoSendfile = errors.New("the kernel does not send this file")

// ReadFrom sends a part of a file by sendfile(2), and copies everything else. The
// kernel holds back the head of the answer until the first of the bytes are there.
func (c *conn) ReadFrom(src io.Reader) (n int64, err error) {
	if c.held != nil {
		err := c.sendHead(*c.held)
		c.release()
		if err != nil {
			return 0, err
		}
	}
	if part := partOf(src); part != nil && c.raw != nil {
		return c.sendFile(part)
	}
	return io.Copy(struct{ io.Writer }{c}, src)
}

// sendFile asks for all of the part at once, for each call that ends costs the
// scheduler some work. The call is left when the client has no room for more, and gets
// a new deadline then, if enough has gone since the last. It sends less than it was
// asked for, without an error, where the file has become shorter.
func (c *conn) sendFile(part *io.LimitedReader) (sent int64, err error) {
	f := part.R.(*fileReader)
	defer runtime.KeepAlive(f.file)
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	c.sending.Store(true)
	defer c.sending.Store(false)
	c.roll(int(min(part.N, sendStep)))
	next := int64(sendStep) // where the next deadline begins
	var failed error
	err = c.raw.Write(func(fd uintptr) bool {
		for sent < part.N && failed == nil {
			var n int
			n, failed = syscall.Sendfile(int(fd), int(f.file.Fd()), &at, int(part.N-sent))
			sent += int64(max(n, 0))
			if failed == syscall.EINTR {
				failed = nil
			} else if n == 0 {
				break
			}
		}
		if failed != syscall.EAGAIN {
			return true
		}
		failed = nil
		if sent >= next {
			c.roll(int(min(part.N-sent, sendStep)))
			next = sent + sendStep
		}
		return false
	})
	if sent == 0 && (failed == syscall.EINVAL || failed == syscall.ENOSYS || failed == syscall.EOPNOTSUPP) {
		return 0, errNoSendfile
	}
	return sent, cmp.Or(err, os.NewSyscallError("sendfile", failed))
}
