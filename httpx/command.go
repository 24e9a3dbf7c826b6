package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"homebase/cli"
	"homebase/db"
)

// ShellCall is one request of a command line.
type ShellCall struct {
	Method, Path string
	// Body is JSON, "-" for what the shell's input holds, or "" for none.
	Body string
	// Headers shows the status and the headers before the body.
	Headers bool
}

// Carry serves a request of the operator without a socket. The body of the
// answer goes to the shell's standard output, a problem to its standard error.
func (s *Server) Carry(ctx context.Context, sh *cli.Shell, c ShellCall) (err error) {
	path := "/" + strings.TrimPrefix(c.Path, "/")
	if !strings.HasPrefix(path, Prefix+"/") {
		path = Prefix + path
	}
	var body io.Reader = strings.NewReader(c.Body)
	if c.Body == "-" {
		body = io.NopCloser(sh.Stdin)
	}
	r, err := http.NewRequestWithContext(db.WithPatience(ctx, s.pace.database), strings.ToUpper(c.Method), path, body)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if c.Body == "-" {
		r.ContentLength = -1 // not known
	}
	if c.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := &printer{header: http.Header{}, sh: sh, body: r.Method != http.MethodHead, headers: c.Headers || r.Method == http.MethodHead}
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			err = errors.New("the answer was cut off")
		} else if v != nil {
			panic(v)
		}
	}()
	s.ServeHTTP(w, r)
	if w.last != '\n' && strings.HasSuffix(w.header.Get("Content-Type"), "json") {
		w.Write([]byte{'\n'})
	}
	if w.err == nil && w.status >= 400 {
		return cli.ErrSaid
	}
	return w.err
}

// printer is the ResponseWriter of a shell.
type printer struct {
	header        http.Header
	sh            *cli.Shell
	body, headers bool // what is printed
	status        int
	to            io.Writer
	last          byte
	err           error
}

func (p *printer) Header() http.Header { return p.header }

func (p *printer) WriteHeader(status int) {
	if p.status != 0 || status < 200 {
		return
	}
	p.status, p.to = status, p.sh.Stdout
	if status >= 400 {
		p.to = p.sh.Stderr
	}
	if !p.headers {
		return
	}
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\n", status, http.StatusText(status))
	_ = p.header.Write(&head) // a strings.Builder takes everything
	_, p.err = io.WriteString(p.to, strings.ReplaceAll(head.String(), "\r", "")+"\n")
}

func (p *printer) Write(text []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if !p.body || p.err != nil {
		return len(text), p.err
	}
	var n int
	if n, p.err = p.to.Write(text); n > 0 {
		p.last = text[n-1]
	}
	return n, p.err
}

// Flush does nothing: nothing is buffered.
func (p *printer) Flush() {}
