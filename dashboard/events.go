package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/attune-hpo/attune/study"
)

const (
	pace  = time.Second      // minimum between two events
	pulse = 15 * time.Second // maximum between two signs of life
	look  = 2 * time.Second  // between two looks whether the storage is still there
)

// events sends an event whenever the trials of the study ?name change, in any process. The ID of
// an event is the version of the study. Changes within a second are one event. The first event
// is sent at once, unless the client already has the current version: that in ?v or, after a
// reconnection, that of the last event.
func (d *Dashboard) events(w http.ResponseWriter, r *http.Request) error {
	name := r.URL.Query().Get("name")
	if _, _, err := d.snapshot(r.Context(), name); err != nil {
		return err
	}
	select {
	case d.streams <- struct{}{}:
		defer func() { <-d.streams }()
	default:
		return problem{http.StatusServiceUnavailable, "Too many clients listen to changes: try again later."}
	}
	return d.studies.use(r.Context(), name, func(v *study.View) error {
		s := stream{w: w, control: http.NewResponseController(w)}
		s.begin()
		known := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("v"))
		changes, ended := watch(r.Context(), v)
		if err := s.news(r.Context(), v, &known); err != nil {
			return nil
		}
		alive, looks := time.NewTicker(pulse), time.NewTicker(look)
		defer alive.Stop()
		defer looks.Stop()
		for {
			var err error
			select {
			case <-r.Context().Done():
				return nil
			case gone := <-ended:
				if gone != nil {
					s.send("gone", known, unread(gone))
				}
				return nil
			case <-looks.C:
				if gone := d.there(); gone != nil {
					s.send("gone", known, unread(gone))
					return nil
				}
			case <-alive.C:
				err = s.comment()
			case <-changes:
				if err = s.news(r.Context(), v, &known); err == nil {
					err = sleep(r.Context(), pace)
				}
			}
			if err != nil {
				return nil // the client is gone
			}
		}
	})
}

// watch signals changes of a study until ctx is done. Several changes may be one signal. When
// watching ends, ended gets the reason.
func watch(ctx context.Context, v *study.View) (changes <-chan struct{}, ended <-chan error) {
	c, e := make(chan struct{}, 1), make(chan error, 1)
	records := v.Watch(ctx)
	go func() {
		for _, err := range records {
			if err != nil {
				e <- err
				return
			}
			select {
			case c <- struct{}{}:
			default:
			}
		}
		e <- nil
	}()
	return c, e
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A stream sends server-sent events (HTML, 9.2 Server-sent events).
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) begin() {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.Header().Set("X-Accel-Buffering", "no")
	s.comment()
}

func (s stream) comment() error { return s.write(":\n\n") }

func (s stream) send(event, id, data string) error {
	return s.write(fmt.Sprintf("event: %s\nid: %s\ndata: %s\n\n", event, id, short(data, 500)))
}

// news sends an event if the study has another version than the client knows. It fails if the
// client is gone. It also fails if the study is gone, after sending that.
func (s stream) news(ctx context.Context, v *study.View, known *string) error {
	h, err := v.Snapshot(ctx)
	if err != nil {
		s.send("gone", *known, unread(err))
		return err
	}
	now := version(h)
	if now == *known {
		return nil
	}
	*known = now
	return s.send("change", now, now)
}

// write writes text with a deadline of a minute, if the writer supports deadlines.
func (s stream) write(text string) error {
	s.control.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
