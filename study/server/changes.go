package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/attune-hpo/attune/trial"
)

const (
	pulse = 15 * time.Second // between keep-alive comments of a silent stream
	slow  = time.Minute      // for a client to take an event
)

// changes sends a server-sent event, of the type trial, for each trial that changes from now on,
// in whatever process. The first line, a comment, says that the stream has begun. An event of the
// type error ends it, if the study is gone or the storage fails.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return problem{http.StatusServiceUnavailable, "too many clients listen to changes", "try again later, or read trials by page"}
	}
	return s.on(r, func(o *opened) error {
		ctx, cancel := context.WithCancel(r.Context())
		type change struct {
			trial trial.Record
			err   error
		}
		news, ended := make(chan change), make(chan struct{})
		records := o.study.Watch(ctx)
		go func() {
			defer close(ended)
			for rec, err := range records {
				select {
				case news <- change{rec, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		defer func() {
			cancel()
			<-ended
		}()
		out := stream{w, http.NewResponseController(w)}
		if out.begin() != nil {
			return nil // the client is gone; so below
		}
		alive := time.NewTicker(pulse)
		defer alive.Stop()
		for {
			var err error
			select {
			case <-ctx.Done():
				return nil
			case <-ended:
				return nil
			case <-alive.C:
				err = out.write(":\n\n")
			case c := <-news:
				if c.err != nil {
					p := problemOf(c.err)
					out.send("error", map[string]string{"error": p.text, "hint": p.hint})
					return nil
				}
				err = out.send("trial", c.trial)
			}
			if err != nil {
				return nil
			}
		}
	})
}

// A stream writes server-sent events (HTML, 9.2 Server-sent events).
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) begin() error {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.Header().Set("X-Accel-Buffering", "no")
	return s.write(": changes follow\n\n")
}

func (s stream) send(event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write("event: " + event + "\ndata: " + string(data) + "\n\n")
}

// write writes text with a deadline, if the writer has deadlines.
func (s stream) write(text string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(slow))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
