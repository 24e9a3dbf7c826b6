package files

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	// eventPage is how many entries a listener holds at once.
	eventPage = 100
	// retryAfter is what clients are told to wait before they come again.
	retryAfter = 3 * time.Second
)

// getEvents is GET /files/events: the feed as server-sent events (the section
// "Server-sent events" of the HTML standard). It goes on behind the id in
// Last-Event-ID, which browsers send when they come again, else behind
// ?cursor=, else with what happens from now on. It ends when the session or
// key does, when the server drains, and when the client does not take what is
// written for as long as httpx allows.
func (fd *feed) getEvents(w http.ResponseWriter, r *http.Request, v visit) error {
	ctx := r.Context()
	// Before the first look, so that nothing falls between the two.
	l, leave := fd.hub.listen(v.owner)
	defer leave()
	cursor := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("cursor"), "now")
	at, err := fd.feedPlace(ctx, v.owner, cursor)
	if err != nil {
		return err
	}
	s := stream{w: w, at: at, listener: l}
	// An id without data is no event, but where a client that comes again
	// before the first one will go on.
	fmt.Fprintf(&s.text, "retry: %d\nid: %s\n\n", retryAfter.Milliseconds(), at)
	more := cursor != "now"
	if more {
		more, err = fd.read(ctx, v.owner, &s)
	} else {
		l.seq.Store(at.seq)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := s.send(); err != nil {
		return err
	}
	return fd.follow(ctx, v.owner, &s, more)
}

// follow sends what comes until the stream has to end; more says that there
// is something already.
func (fd *feed) follow(ctx context.Context, owner uuid.UUID, s *stream, more bool) error {
	beat := time.NewTicker(fd.hub.beat)
	defer beat.Stop()
	draining := httpx.ServerOf(ctx).Draining()
	for ask := true; ; {
		var err error
		if ask || more {
			err = fd.trees.still(ctx, mayRead, viewer)
		}
		for more && err == nil {
			if more, err = fd.read(ctx, owner, s); err == nil {
				err = s.send()
			}
		}
		refusal, refused := errors.AsType[*httpx.Problem](err)
		switch {
		case s.broken:
			return err
		case refused && refusal.Status < 500 || errors.Is(err, db.ErrNotFound):
			return nil // the right to read or the feed has ended; whoever comes again is told
		case err != nil:
			// The database is away. Browsers do not come again after a
			// refusal, so the stream stays, says nothing, and tries later.
			more = true
		}
		select {
		case <-s.listener.wake:
			more = true
		case <-beat.C:
			s.text.WriteString(":\n\n")
			if err := s.send(); err != nil {
				return err
			}
			// While the worker cannot hear what has ended it would have to
			// ask for each stream; when it hears again, all ask anyway.
			ask = fd.db.Listener().Fresh()
			continue
		case <-s.listener.ask:
		case <-draining:
			return nil
		case <-ctx.Done():
			return nil
		}
		ask = true
	}
}

// read takes a page of what is new and says whether there is more.
func (fd *feed) read(ctx context.Context, owner uuid.UUID, s *stream) (more bool, err error) {
	entries, end, err := fd.changesAfter(ctx, owner, s.at, eventPage)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		data, err := json.Marshal(e)
		if err != nil {
			return false, err
		}
		s.at.seq = e.Seq
		fmt.Fprintf(&s.text, "id: %s\nevent: %s\ndata: %s\n\n", s.at, e.Type, data)
	}
	if more = len(entries) == eventPage; !more {
		s.listener.seq.Store(end.seq)
	}
	return more, nil
}

// stream is one listener's answer.
type stream struct {
	w        http.ResponseWriter
	at       feedCursor // behind what was told
	listener *listener
	text     bytes.Buffer // to be sent
	broken   bool         // it could not be sent
}

// send writes and forgets the text; idle streams are many, and keep nothing.
func (s *stream) send() error {
	if s.text.Len() == 0 {
		return nil
	}
	_, err := s.w.Write(s.text.Bytes())
	if err == nil {
		err = http.NewResponseController(s.w).Flush()
	}
	s.text, s.broken = bytes.Buffer{}, err != nil
	return err
}
