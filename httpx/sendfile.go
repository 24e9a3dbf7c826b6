package httpx

import (
	"cmp"
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

// sendChunk is how much goes to sendfile at once, under one deadline; a client
// that takes it within a second gets twice as much, up to sendLargest: each
// call that takes long costs the scheduler some work.
const (
	sendChunk   = 4 << 20
	sendLargest = 64 << 20
)

// A file or a part of one that is not larger costs less to copy than to hand to
// sendfile.
const smallFile = 16 << 10

var smallFiles = sync.Pool{New: func() any { return new([smallFile]byte) }}

// ReadFrom is what io.Copy calls. A part of a file, as ServeFile brings it in one
// io.LimitedReader, goes to the connection in pieces.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	w.WriteHeader(http.StatusOK)
	if !w.sends() {
		return 0, nil // nobody asks for the rest of src
	}
	inner, ok := w.ResponseWriter.(io.ReaderFrom)
	limited := partOf(src)
	if !ok || limited == nil {
		// Nothing to send in the kernel; and a source that is slow by
		// itself must not use up a client's deadline for 4 MiB.
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	if limited.N <= smallFile {
		return w.copySmall(limited)
	}
	if w.conn.answer != nil && w.asked.Method == http.MethodGet {
		w.conn.moreFollows = true
		http.NewResponseController(w.ResponseWriter).Flush() // else net/http reads the file's first bytes to send them with the head
		w.conn.moreFollows = false
	}
	var total int64
	for size := int64(sendChunk); limited.N > 0; {
		chunk := &io.LimitedReader{R: limited.R, N: min(limited.N, size)}
		asked, began := chunk.N, time.Now()
		w.roll(asked)
		n, err := inner.ReadFrom(chunk)
		total += n
		w.sent += n
		limited.N -= n
		w.broken = cmp.Or(w.broken, err)
		if err != nil || n < asked {
			return total, err
		}
		if time.Since(began) < time.Second {
			size = min(2*size, sendLargest)
		}
	}
	return total, nil
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
		n, err = c.sendFile(part)
		if n > 0 || err != syscall.EINVAL && err != syscall.ENOSYS && err != syscall.EOPNOTSUPP {
			return n, os.NewSyscallError("sendfile", err)
		}
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, src)
}

// sendFile sends less than it was asked for, without an error, where the file has
// become shorter.
func (c *conn) sendFile(part *io.LimitedReader) (sent int64, err error) {
	f := part.R.(*fileReader)
	defer runtime.KeepAlive(f.file)
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
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
		return false
	})
	if err == nil {
		err = failed
	}
	_, seekErr := f.Seek(at, io.SeekStart)
	return sent, cmp.Or(err, seekErr)
}
